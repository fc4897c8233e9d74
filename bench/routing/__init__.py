"""The second opinion: where must this request go? Read from the Istio resources alone."""
