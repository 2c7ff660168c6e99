"""Settings of the shop's page, kept as `page.yaml` in an index folder."""
