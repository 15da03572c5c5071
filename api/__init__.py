"""The read side: REST, Server-Sent Events and the web page."""
