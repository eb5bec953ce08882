"""Films and stills of the convolutions at work, drawn from what jaxconv computed."""
