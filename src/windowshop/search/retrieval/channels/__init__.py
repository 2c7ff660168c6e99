"""Search channels, one a file; `windowshop.registry.CHANNELS` names them."""
