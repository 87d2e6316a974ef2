"""Many files: what is asked about, the loop, and who does the work."""
