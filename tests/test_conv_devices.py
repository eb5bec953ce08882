"""What the convolutions give on several devices is what they give on one."""

import pytest
from test_parallel import on_virtual_devices


def test_gradients_under_sharding_are_those_of_one_device():
    """vmap over an axis that is split, inside of grad and outside of it."""
    errors = on_virtual_devices("mapped_gradients", count=4)
    assert len(errors) == 4
    assert max(errors.values()) < 1e-5, errors


def test_any_placement_gives_what_one_device_gives():
    errors = on_virtual_devices("placements", 1)
    assert len(errors) >= 50
    assert {what: error for what, error in errors.items() if not error < 1e-5} == {}


def test_unusual_meshes_and_placements_give_what_one_device_gives():
    errors = on_virtual_devices("odd_meshes", count=4)
    assert len(errors) >= 7
    assert {what: error for what, error in errors.items() if not error < 1e-5} == {}


@pytest.mark.slow
def test_any_placement_in_many_cases():
    errors = on_virtual_devices("placements", 9)
    assert {what: error for what, error in errors.items() if not error < 1e-5} == {}


def test_a_program_for_several_devices_is_exported_from_shard_map_alone():
    """What divides a convolution is Python; JAX would say that it cannot serialise it."""
    found = on_virtual_devices("exported", count=2)
    assert found["jit"] == (
        "a program whose convolutions are divided over several devices can't be exported, since "
        "Python divides them: export it for one, or convolve inside jax.shard_map"
    )
    assert found["shard_map"] < 1e-6
