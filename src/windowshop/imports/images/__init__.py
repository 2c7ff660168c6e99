"""Images by their web addresses, brought into a shop's folder."""
