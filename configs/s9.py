"""The documented recipe: S9Net, 100 epochs of CIFAR-10 at batch 512, SGD under one cycle.

    python train.py --config configs/s9.py

Expected: 85.0 % on the test images (seed 0), after two hours of one core with AVX-512 that has
nothing else to do; the guide that documents the recipe reports 85.47 %.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0  # of initial weights, order, dropout and augmentation
    config.epochs = 100  # passes over the training images; the schedule spans them all
    config.batch_size = 512  # images per step over all devices, in training and evaluation
    config.max_lr = 0.1  # peak learning rate; one_cycle starts at 1/25, ends at 1/250,000 of it
    config.weight_decay = 1e-4  # added to the gradient, before momentum, for every parameter
    config.label_smoothing = 0.0  # share of the target spread over all classes, in training
    config.dropout_rate = 0.1  # share of activations dropped at the end of each block
    config.dropout_epochs = config_dict.placeholder(int)  # epochs with dropout; None: all
    config.ema_decay = 0.0  # decay of the moving average of the weights; 0: no average
    config.dtype = "float32"  # number format of the convolutions: float32 or bfloat16
    config.steps_per_call = config_dict.placeholder(int)  # steps per call; None: 1, GPU: an epoch
    config.shard_state = False  # splits weights and optimizer over the devices, too

    config.model = ConfigDict()
    config.model.name = "s9"  # the network
    config.model.width = 1.0  # factor on the channels of every block
    config.model.rows = config_dict.placeholder(tuple)  # table of blocks; None: that of S9Net

    config.optimizer = ConfigDict()  # SGD with momentum, and its schedule
    config.optimizer.schedule = "one_cycle"  # of the learning rate: one_cycle or cosine
    config.optimizer.warmup_share = config_dict.placeholder(float)  # share of steps before the peak
    config.optimizer.momentum = config_dict.placeholder(float)  # None: cycled, or 0.9 with cosine
    config.optimizer.nesterov = False  # whether a step looks ahead along the momentum
    config.optimizer.decay_norm = True  # whether all parameters decay, or only kernels
    config.optimizer.muon_lr = config_dict.placeholder(float)  # peak rate of Muon; None: SGD
    config.optimizer.muon_decay = 0.0  # weight decay of Muon's kernels, times the rate

    config.mix = ConfigDict()  # of the images of a batch in pairs
    config.mix.mixup = 0.0  # alpha of mixup, the usual 0.2; 0 is never
    config.mix.cutmix = 0.0  # alpha of CutMix, the usual 1; 0 is never
    config.mix.epochs = config_dict.placeholder(int)  # epochs with mixing; None: all

    config.distill = ConfigDict()  # to learn from a network, too
    config.distill.teacher = config_dict.placeholder(str)  # teacher's logits (`jaxconv distill`)
    config.distill.weight = 0.7  # weight of the teacher in the loss; the labels have the rest
    config.distill.temperature = 5.0  # divides the logits of both before they are compared

    config.checkpoint = ConfigDict()  # one is written after each epoch, and within it:
    config.checkpoint.every_steps = config_dict.placeholder(int)  # also saves every N steps
    config.checkpoint.every_minutes = config_dict.placeholder(float)  # also saves every N minutes

    config.data = ConfigDict()
    config.data.sources = ("cifar10", "shapes10")  # the first that is available is used
    config.data.dir = config_dict.placeholder(str)  # folder of the archive or of your images
    config.data.download = True  # whether cifar10 may be downloaded where it is not found
    config.data.train_limit = config_dict.placeholder(int)  # training images to use; None is all
    config.data.test_limit = config_dict.placeholder(int)  # test images to use; None is all

    config.data.image_size = 32  # height and width in pixels; only folder takes any but 32
    config.data.test_share = 0.2  # share of each class for testing, if the folder has no test/

    config.augment = ConfigDict()
    config.augment.engine = "device"  # where images are augmented: device, or albumentations (host)
    # Names and arguments are those of albumentations 2.0.8; border_mode 4 is OpenCV's reflect_101.
    # SubpixelAffine stands for ShiftScaleRotate of 1.2.1, the guide's version: one scale for both
    # axes, and shifts that are not cut to whole pixels.
    config.augment.transforms = (  # the pipeline: (name, arguments) in order
        ("RandomCrop", {"height": 32, "width": 32, "p": 0.2}),
        ("HorizontalFlip", {"p": 0.5}),
        ("Rotate", {"limit": 15, "border_mode": 4, "p": 0.5}),
        (
            "SubpixelAffine",
            {
                "scale": (0.9, 1.1),
                "translate_percent": (-0.0625, 0.0625),
                "rotate": (-45, 45),
                "keep_ratio": True,
                "border_mode": 4,
                "p": 0.5,
            },
        ),
        ("RandomBrightnessContrast", {"brightness_limit": 1, "contrast_limit": 1, "p": 0.1}),
        (
            "CoarseDropout",
            {
                "num_holes_range": (1, 1),
                "hole_height_range": (1, 16),
                "hole_width_range": (1, 16),
                "fill": 0,
                "p": 0.5,
            },
        ),
        (
            "Normalize",
            {
                "mean": (0.49139968, 0.48215841, 0.44653091),
                "std": (0.24703223, 0.24348513, 0.26158784),
            },
        ),
    )
    return config
