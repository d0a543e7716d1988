"""The benchmark: what the product does and, beside it in the same run, the floors it is measured against."""
