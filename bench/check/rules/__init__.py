"""What is wrong with resources that Istio accepts: Istio's own codes, and lints of this suite."""
