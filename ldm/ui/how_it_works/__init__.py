"""The tab *How it works*: one run of the visitor's own, opened up in nine panels."""
