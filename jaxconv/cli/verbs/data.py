"""The verbs on a config's data set and its augmentation."""

from collections.abc import Sequence

from jaxconv.cli.config.command_line import parse_whole_config
from jaxconv.cli.parsers import OneLineParser, add_out, config_parser
from jaxconv.cli.terminal import save_picture
from jaxconv.cli.verbs.trained import load_dataset
from jaxconv.runs.devices import require_devices


def stats_parser(verb: str, words: str) -> OneLineParser:
    return config_parser(verb, words)


def stats(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Prints the statistics of the training and the test images."""
    from jaxconv.data.dataset import format_statistics

    config, _ = parse_whole_config(parser, argv)
    print(format_statistics(load_dataset(config)))


def samples_parser(verb: str, words: str) -> OneLineParser:
    return add_out(config_parser(verb, words), "samples.png")


def samples(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Draws labelled training images."""
    from jaxconv.report import figures

    config, flags = parse_whole_config(parser, argv)
    data = load_dataset(config)
    title = f"Training images of {data.name}"
    save_picture(figures.samples(*data.train, data.class_names, title=title), flags.out)


def augmentations_parser(verb: str, words: str) -> OneLineParser:
    return add_out(config_parser(verb, words), "augmentations.png")


def augmentations(parser: OneLineParser, argv: Sequence[str]) -> None:
    """Draws one training image under each augmentation of the config, by name."""
    from jaxconv.augment.gallery import named_augmentations
    from jaxconv.cli.build.data import with_statistics
    from jaxconv.cli.build.network import build_pipeline, check_pipeline, mistakes_of_augmentation
    from jaxconv.report import figures

    config, flags = parse_whole_config(parser, argv)
    require_devices()
    check_pipeline(config)
    data = load_dataset(config)
    pipeline = build_pipeline(with_statistics(config, data))
    image, engine = data.train.images[0], config.augment.engine
    with mistakes_of_augmentation():
        shown = named_augmentations(pipeline, image, engine=engine)
    title = f"One image of {data.name} under each augmentation"
    save_picture(figures.augmentations(shown, title=title), flags.out)
