"""One step of a convolution as a picture."""
