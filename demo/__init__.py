"""A fleet of gateways that exists only here: what it used, what that cost, and what its pods answer when scraped."""
