"""A faithful Atlas Admin API for serverless private endpoints, for tests, demos and users' own CI."""
