"""Question 4: the highest rate that meets the limits, and what stands in the way of more."""
