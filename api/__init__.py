"""The read side: REST, server-sent events and the web page."""
