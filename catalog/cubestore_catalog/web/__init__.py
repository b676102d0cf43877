"""Requests and answers: what is let in, what every answer says, files as they lie on disk."""
