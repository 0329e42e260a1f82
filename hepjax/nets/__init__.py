"""Neural networks as pairs of pure functions, `Net(init, apply)`: the only room that imports flax."""

from hepjax.nets.conv import conv
from hepjax.nets.layers import time_embedding
from hepjax.nets.made import Made, made
from hepjax.nets.mlp import mlp
from hepjax.nets.precision import Precision
from hepjax.nets.resnet import resnet
from hepjax.nets.resnet3d import resnet3d
from hepjax.nets.sbunfold import sbunfold

__all__ = ["Made", "Precision", "conv", "made", "mlp", "resnet", "resnet3d", "sbunfold", "time_embedding"]
