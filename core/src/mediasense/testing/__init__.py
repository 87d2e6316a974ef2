"""The conformance suite for plugins, and the wire it is run on."""
