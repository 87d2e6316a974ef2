"""What is kept on disk: answers, history, and the journal of a batch; never media, never keys."""
