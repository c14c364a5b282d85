"""The web: webmail, web administration, the console and the REST API, as one Flask application."""
