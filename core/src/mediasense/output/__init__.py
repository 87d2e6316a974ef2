"""From answers to what people and programs read; writes to nothing but the stream it is given."""
