import math

import pytest
import torch
from torch import nn

from drlcore.encoder import Code
from drlcore.networks.blocks import Attention, ResBlock, lowest_size
from drlcore.networks.paper_cifar import NCSNppSmall, WideResNetEncoder
from drlcore.networks.paper_mnist import MNISTEncoder, MNISTScoreNetwork

torch.set_num_threads(1)
EMBEDDING = 32
SCORE_NETWORKS = (MNISTScoreNetwork, NCSNppSmall)
ENCODERS = (MNISTEncoder, WideResNetEncoder)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def awake(network: nn.Module) -> nn.Module:
    """Evaluation mode, with the nearly-zero last layers made ordinary ones."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.abs().max() < 1e-4:
            nn.init.xavier_uniform_(layer.weight)
    return network.eval()


@pytest.mark.parametrize("network", SCORE_NETWORKS)
@pytest.mark.parametrize("latent_dim", [0, 3])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 13, 10)])
def test_score_network_keeps_the_image_shape(network, latent_dim, shape):
    net = network(shape, latent_dim, EMBEDDING)
    out = net(torch.randn(2, *shape), torch.randn(2, EMBEDDING), torch.randn(2, latent_dim))
    assert out.shape == (2, *shape)
    assert torch.isfinite(out).all()


def test_ncsnpp_on_mini_imagenet_size():
    net = NCSNppSmall((3, 84, 84), 2, EMBEDDING, width=4)
    assert lowest_size((3, 84, 84), 3) == (21, 21)
    x = torch.randn(1, 3, 84, 84)
    assert net(x, torch.randn(1, EMBEDDING), torch.randn(1, 2)).shape == x.shape


@pytest.mark.parametrize("network", SCORE_NETWORKS)
def test_score_network_reads_x_embedding_and_z(network):
    net = awake(network((1, 8, 8), 2, EMBEDDING))
    inputs = [torch.randn(2, 1, 8, 8), torch.randn(2, EMBEDDING), torch.randn(2, 2)]
    with torch.no_grad():
        before = net(*inputs)
        for i in range(3):
            changed = list(inputs)
            changed[i] = torch.randn_like(inputs[i])
            assert not torch.allclose(net(*changed), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("network", SCORE_NETWORKS)
def test_fresh_network_is_nearly_zero_yet_passes_a_gradient_to_z(network):
    net = network((1, 8, 8), 2, EMBEDDING)
    z = torch.randn(2, 2, requires_grad=True)
    out = net(torch.randn(2, 1, 8, 8), torch.randn(2, EMBEDDING), z)
    assert out.abs().max() < 1e-3
    out.sum().backward()
    assert z.grad is not None and torch.isfinite(z.grad).all() and z.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("network", "way"),
    [
        (MNISTScoreNetwork, "code"),
        (MNISTScoreNetwork, "code_middle"),
        (NCSNppSmall, "code"),
        (NCSNppSmall, "bottleneck"),
    ],
)
def test_every_way_in_for_z_is_used(network, way):
    net = awake(network((1, 8, 8), 2, EMBEDDING))
    out = net(torch.randn(2, 1, 8, 8), torch.randn(2, EMBEDDING), torch.randn(2, 2))
    out.square().sum().backward()
    assert all(p.grad is not None for p in getattr(net, way).parameters())
    assert max(p.grad.abs().max() for p in getattr(net, way).parameters()) > 0


@pytest.mark.parametrize("network", SCORE_NETWORKS)
def test_images_of_a_batch_do_not_mix(network):
    net = awake(network((1, 8, 8), 2, EMBEDDING))
    x, e, z = torch.randn(3, 1, 8, 8), torch.randn(3, EMBEDDING), torch.randn(3, 2)
    with torch.no_grad():
        together, alone = net(x, e, z), net(x[1:2], e[1:2], z[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 84, 84)])
@pytest.mark.parametrize("probabilistic", [False, True])
def test_encoder_shapes(encoder, shape, probabilistic):
    code = encoder(shape, 5, probabilistic).eval()(torch.randn(1, *shape))
    assert isinstance(code, Code)
    assert code.mean.shape == (1, 5)
    assert (code.logvar is not None) == probabilistic
    if code.logvar is not None:
        assert code.logvar.shape == (1, 5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoder_reads_the_embedding_only_when_time_conditioned(encoder):
    x0, one, other = torch.randn(2, 1, 8, 8), *torch.randn(2, 2, EMBEDDING)
    with torch.no_grad():
        timed = awake(encoder((1, 8, 8), 2, embedding_dim=EMBEDDING))
        assert not torch.allclose(timed(x0, one).mean, timed(x0, other).mean, rtol=1e-3)
        timeless = awake(encoder((1, 8, 8), 2))
        assert torch.equal(timeless(x0, one).mean, timeless(x0).mean)


def test_wide_resnet_code_is_the_pooled_feature():
    x0 = torch.randn(4, 3, 8, 8)
    bare = WideResNetEncoder((3, 8, 8), 128)
    assert bare.head is None
    assert (bare(x0).mean >= 0).all()
    bare.eval()  # in training mode the norms' statistics are the batch's and change
    assert torch.equal(bare(x0).mean, bare.features(x0))
    assert count(WideResNetEncoder((3, 8, 8), 128, True)) - count(bare) == 33_024  # as published
    assert bare.norm.momentum == 0.9
    assert bare.blocks[0].norm1.momentum == 0.1


@pytest.mark.parametrize(("latent_dim", "probabilistic"), [(128, False), (5, False), (128, True)])
def test_wide_resnet_features_are_its_last_map_pooled_whatever_the_head(latent_dim, probabilistic):
    net = WideResNetEncoder((3, 8, 8), latent_dim, probabilistic).eval()
    maps: list[torch.Tensor] = []
    net.norm.register_forward_hook(lambda *given: maps.append(given[2]))
    features = net.features(torch.randn(4, 3, 8, 8))
    torch.testing.assert_close(features, maps[0].clamp(min=0).flatten(2).sum(2) / 4)
    assert features.shape == (4, net.n_features) == (4, 128)  # of 2 x 2 pixels, 128 channels


def test_wide_resnet_strides_on_the_second_convolution():
    strides = [
        (b.conv1.stride[0], b.conv2.stride[0]) for b in WideResNetEncoder((3, 8, 8), 128).blocks
    ]
    assert strides == [(1, 1)] * 4 + [(1, 2)] + [(1, 1)] * 3 + [(1, 2)] + [(1, 1)] * 3


def test_attention_only_where_published():
    def found(module: nn.Module) -> int:
        return sum(isinstance(m, Attention) for m in module.modules())

    assert found(MNISTScoreNetwork((1, 28, 28), 2, EMBEDDING).trunk) == 1
    trunk = NCSNppSmall((3, 32, 32), 128, EMBEDDING).trunk
    assert [found(level) for level in trunk.levels_down] == [0, 2, 0, 0]
    assert [found(level) for level in trunk.levels_up] == [0, 0, 1, 0]


def test_fresh_residual_block_only_rescales():
    block, h = ResBlock(8, 8).eval(), torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(block(h), h / math.sqrt(2), rtol=1e-3, atol=1e-4)


def test_parameter_counts_mnist():
    net = MNISTScoreNetwork((1, 28, 28), 2, EMBEDDING)
    assert net.code is not None
    assert count(net) - count(net.time, net.code) == 1_232_929
    assert count(net.time, net.code) == 1_895_331 - 1_232_929 - 626_978  # the published rest
    assert count(MNISTEncoder((1, 28, 28), 2)) == 626_978
    assert count(MNISTEncoder((1, 28, 28), 2, probabilistic=True)) == 629_252
    timed = MNISTEncoder((1, 28, 28), 2, embedding_dim=EMBEDDING)
    assert timed.time is not None
    assert count(timed) - count(timed.time) == 660_002  # published: shares the score network's


def test_parameter_counts_ncsnpp():
    assert count(NCSNppSmall((3, 32, 32), 0, EMBEDDING)) == 638_355
    for shape, trunk, bottleneck in (
        ((3, 32, 32), 831_571, 99_072),
        ((3, 84, 84), 614_003, 10_036_320),
    ):
        net = NCSNppSmall(shape, 128, EMBEDDING)
        assert net.code is not None
        assert count(net.trunk, net.time) == trunk
        assert count(net.code) == 8_256
        assert count(net.bottleneck) == bottleneck


def test_parameter_counts_wide_resnet():
    # published 1,532,865 and 405,249, each with the scalar param_t
    two = WideResNetEncoder((3, 32, 32), 128, embedding_dim=EMBEDDING)
    one = WideResNetEncoder((3, 32, 32), 64, embedding_dim=EMBEDDING, widen=1)
    assert (count(two), count(one)) == (1_532_864, 405_248)
