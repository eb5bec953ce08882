"""What the convolutions give on several devices is what they give on one."""

from test_parallel import on_virtual_devices


def test_gradients_under_sharding_are_those_of_one_device():
    """vmap over an axis that is split, inside of grad and outside of it."""
    errors = on_virtual_devices("mapped_gradients", count=4)
    assert len(errors) == 4
    assert max(errors.values()) < 1e-5, errors
