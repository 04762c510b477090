"""The life of an endpoint, whoever made it, and the chapters that add what differs. They know no kind."""
