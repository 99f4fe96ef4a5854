"""An agent on stdio and a server over HTTP: the shell that carries a session's frames between the two."""
