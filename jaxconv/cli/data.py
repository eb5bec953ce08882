"""The verbs on a config's data set and its augmentation."""

from collections.abc import Sequence

from jaxconv.cli.parsers import add_out, config_parser
from jaxconv.cli.pictures import save_picture
from jaxconv.cli.subject import load_dataset
from jaxconv.command_line import OneLineParser, parse_command_line
from jaxconv.runs.devices import require_devices


def stats_parser() -> OneLineParser:
    return config_parser(stats)


def stats(argv: Sequence[str]) -> None:
    """Prints the statistics of the training and the test images."""
    from jaxconv.data.dataset import format_statistics

    config, _ = parse_command_line(stats_parser(), argv)
    print(format_statistics(load_dataset(config)))


def samples_parser() -> OneLineParser:
    return add_out(config_parser(samples), "samples.png")


def samples(argv: Sequence[str]) -> None:
    """Draws labelled training images."""
    from jaxconv.report import figures

    config, flags = parse_command_line(samples_parser(), argv)
    data = load_dataset(config)
    title = f"Training images of {data.name}"
    save_picture(figures.samples(*data.train, data.class_names, title=title), flags.out)


def augmentations_parser() -> OneLineParser:
    return add_out(config_parser(augmentations), "augmentations.png")


def augmentations(argv: Sequence[str]) -> None:
    """Draws one training image under each augmentation of the config, by name."""
    from jaxconv.augment.gallery import named_augmentations
    from jaxconv.build import build_pipeline
    from jaxconv.report import figures

    config, flags = parse_command_line(augmentations_parser(), argv)
    require_devices()
    pipeline, data = build_pipeline(config), load_dataset(config)
    image, engine = data.train.images[0], config.augment.engine
    shown = named_augmentations(pipeline, image, engine=engine)
    title = f"One image of {data.name} under each augmentation"
    save_picture(figures.augmentations(shown, title=title), flags.out)
