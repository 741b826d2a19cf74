"""PyTorch twins of dcgan, wgan_gp, rpgan and gated_pixel_cnn: the same training step, as plain PyTorch has it.

A twin follows from the same configuration as ours: networks of the same shapes and as many weights, the same losses and
penalties by the same passes, the same number of critic updates on equal parts of the batch, the same optimiser, fresh
noise for each update. Its step, like the trainer's, gathers a batch of bytes and scales it, updates every player, takes
the generator into its average, and hands over the losses. It does not compute the trainer's other logs.

Only a process that has torch imports this file. As a program it is a child of the benches, see `bench_torch_turns`:

    python tests/torch_twins.py SETTINGS.json

where the file holds the configuration as "settings", the shape of a picture (side, side, channels) as "shape" and what
PyTorch is told to do as "variant", see `VARIANTS`.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from bench_torch_turns import PRODUCT, serve
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

PICTURES = 2000  # as many as the drawn data have that our trainer takes
LEVELS = 256
# how a step is run; all take the fused optimiser. Graphs are CUDA's.
VARIANTS = ("eager", "channels_last", "compile", "compile_graphs")


# ---- networks, channels first


class DCGANGenerator(nn.Module):
    """`zoo.adversarial.networks.dcgan`: noise to a small map, and strided transposed convolutions."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, base: int, kernel: int) -> None:
        super().__init__()
        side, doublings = smallest_map(shape[0])
        width = base * 2 ** (doublings - 1)
        self.map = (width, side, side)
        self.dense = nn.Linear(latent_dim, math.prod(self.map), bias=False)
        body: list[nn.Module] = []
        for level in reversed(range(doublings)):
            channels = base * 2**level
            body += [batch_norm(channels), nn.ReLU(inplace=True)]
            outputs = base * 2 ** (level - 1) if level else shape[-1]
            body.append(
                nn.ConvTranspose2d(
                    channels, outputs, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2, bias=not level
                )
            )
        self.body = nn.Sequential(*body)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.body(self.dense(z).unflatten(1, self.map)).float())


class DCGANDiscriminator(nn.Module):
    """Its mirror image, normalised from the second layer on."""

    def __init__(self, shape: tuple[int, ...], base: int, kernel: int, normalization: str, bias: bool) -> None:
        super().__init__()
        side, doublings = smallest_map(shape[0])
        self.body, inputs = nn.Sequential(), shape[-1]
        for level in range(doublings):
            is_normal, outputs = level > 0 and normalization == "batch", base * 2**level
            self.body.append(nn.Conv2d(inputs, outputs, kernel, 2, (kernel - 1) // 2, bias=not is_normal))
            if is_normal:
                self.body.append(batch_norm(outputs))
            self.body.append(nn.LeakyReLU(0.2))
            inputs = outputs
        self.map = (inputs, side, side)
        self.dense = nn.Linear(math.prod(self.map), 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.body(x).flatten(1)).float()


class Block(nn.Module):
    """x plus two convolutions, each of a rectified map; `before` doubles, `after` halves.

    If not `preactivated`, the first convolution sees x as it is.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: bool = False,
        before: bool = False,
        after: bool = False,
        preactivated: bool = True,
    ) -> None:
        super().__init__()
        norms = [batch_norm(inputs), batch_norm(outputs)] if norm else [nn.Identity(), nn.Identity()]
        self.first_norm, self.first = norms[0], nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second_norm, self.second = norms[1], nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.before, self.after, self.preactivated = before, after, preactivated

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.first_norm(x)) if self.preactivated else x
        h = self.first(doubled(h) if self.before else h)
        h = self.second(F.relu(self.second_norm(h)))
        if self.after:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + self.shortcut(doubled(x) if self.before else x)


class ResNetGenerator(nn.Module):
    """`zoo.adversarial.networks.resnet`: blocks of one width, each doubles."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, base: int) -> None:
        super().__init__()
        side, doublings = smallest_map(shape[0])
        self.map = (base, side, side)
        self.dense = nn.Linear(latent_dim, math.prod(self.map))
        self.blocks = nn.Sequential(*[Block(base, base, norm=True, before=True) for _ in range(doublings)])
        self.norm, self.last = batch_norm(base), nn.Conv2d(base, shape[-1], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.dense(z).unflatten(1, self.map))
        return torch.tanh(self.last(F.relu(self.norm(h))).float())


class ResNetCritic(nn.Module):
    """Blocks of one width without normalisation; all but the last two halve."""

    def __init__(self, shape: tuple[int, ...], base: int) -> None:
        super().__init__()
        halvings = smallest_map(shape[0])[1] - 1
        blocks = [
            Block(base if index else shape[-1], base, after=index < halvings, preactivated=index > 0)
            for index in range(halvings + 2)
        ]
        self.blocks, self.dense = nn.Sequential(*blocks), nn.Linear(base, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(F.relu(self.blocks(x)).mean((2, 3))).float()


class Masked(nn.Conv2d):
    """A convolution whose kernel is multiplied by a mask: nothing after the centre, nor itself if `kind` is "A"."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int] = (1, 1), kind: str = "B") -> None:
        super().__init__(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
        order = torch.arange(math.prod(kernel)).reshape(kernel)
        centre = order[kernel[0] // 2, kernel[1] // 2]
        self.register_buffer("mask", (order < centre + (kind == "B")).float())

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class Vertical(nn.Conv2d):
    """A convolution of the rows from `size` // 2 above down to a position's own; without its own if `kind` is "A"."""

    def __init__(self, inputs: int, outputs: int, size: int, kind: str) -> None:
        self.own = int(kind == "B")
        super().__init__(inputs, outputs, (size // 2 + self.own, size))

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.kernel_size
        if not self.own:
            x = x[:, :, :-1]
        return super().forward(F.pad(x, (columns // 2, columns // 2, rows - self.own, 0)))


class GatedLayer(nn.Module):
    """One layer of both stacks of `zoo.autoregressive.gated_pixel_cnn`, without classes."""

    def __init__(self, inputs: int, features: int, size: int, kind: str) -> None:
        super().__init__()
        self.vertical = Vertical(inputs, 2 * features, size, kind)
        self.link = Masked(2 * features, 2 * features)
        self.horizontal = Masked(inputs, 2 * features, (1, size), kind)
        self.out = Masked(features, features)
        self.is_first = kind == "A"

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.vertical(v)
        made = self.out(gate(self.horizontal(h) + self.link(seen)))
        return gate(seen), made if self.is_first else h + made


class GatedPixelCNN(nn.Module):
    """Pictures (batch, channels, height, width) to their log-probabilities in nats (batch,), by logistic mixtures."""

    def __init__(self, shape: tuple[int, ...], options: dict[str, Any]) -> None:
        super().__init__()
        self.channels, self.mixtures = shape[-1], options["mixtures"]
        pairs = self.channels * (self.channels - 1) // 2
        self.sizes = (self.channels, self.channels, pairs)
        features, head = options["base_channels"], options["head_channels"]
        layers = [GatedLayer(shape[-1], features, options["first_size"], "A")]
        for _ in range(options["depth"] - 1):
            layers.append(GatedLayer(features, features, options["kernel_size"], "B"))
        self.gated = nn.ModuleList(layers)
        self.head = nn.ModuleList([Masked(features, head), Masked(head, self.mixtures * (1 + sum(self.sizes)))])
        order = [(before, later) for later in range(self.channels) for before in range(later)]
        eye = torch.eye(self.channels)
        self.register_buffer("earlier", eye[[before for before, _ in order]])
        self.register_buffer("later", eye[[later for _, later in order]])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.clamp(torch.round((x + 1) * ((LEVELS - 1) / 2)), 0, LEVELS - 1) * (2 / (LEVELS - 1)) - 1
        v = h = x
        for layer in self.gated:
            v, h = layer(v, h)
        for convolution in self.head:
            h = convolution(F.relu(h))
        return self.log_prob(h.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)).sum((1, 2))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return the log-probability of each pixel (batch, height, width) (Salimans et al. 2017)."""
        logits, rest = parameters.split((self.mixtures, self.mixtures * sum(self.sizes)), -1)
        means, log_scales, coefficients = rest.unflatten(-1, (self.mixtures, -1)).split(self.sizes, -1)
        log_scales, coefficients = log_scales.clamp(min=-7.0), torch.tanh(coefficients)
        x = x.unsqueeze(-2)
        if len(self.earlier):
            means = means + (coefficients * (x @ self.earlier.T)) @ self.later
        half_width = torch.exp(-log_scales) / (LEVELS - 1)
        centre = (x - means) * torch.exp(-log_scales)
        below, above = -F.softplus(-centre - half_width), -F.softplus(centre - half_width)
        inside = below + above - half_width + torch.log(2 * torch.sinh(half_width))
        edge = 1 - 1 / (LEVELS - 1)
        each = torch.where(x < -edge, below, torch.where(x > edge, above, inside))
        return torch.logsumexp(F.log_softmax(logits, -1) + each.sum(-1), -1)


def smallest_map(side: int) -> tuple[int, int]:
    """Return (m, k) with side = m * 2^k and m from 4 to 7."""
    doublings = 0
    while side >= 8:
        side, doublings = side // 2, doublings + 1
    return side, doublings


def batch_norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)  # the weight of the new, where Keras has that of the old


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def gate(x: Tensor) -> Tensor:
    content, door = x.chunk(2, 1)
    return torch.tanh(content) * torch.sigmoid(door)


def networks(settings: dict[str, Any], shape: tuple[int, ...]) -> dict[str, nn.Module]:
    """Return the networks of a configuration, by the names of the players."""
    options = settings["model"]
    name, base = options["name"], options["base_channels"]
    if name == "gated_pixel_cnn":
        if options["likelihood"] != "logistic_mixture" or options["conditional"]:
            raise ValueError("the twin of gated_pixel_cnn has mixtures of logistics and no classes")
        return {"network": GatedPixelCNN(shape, options)}
    if name == "dcgan" or options["network"] == "dcgan":
        kernel, normalization = options.get("kernel_size", 5), options.get("normalization", "batch")
        if normalization not in ("batch", "none"):
            raise ValueError(f"the twin of the network dcgan has no normalization {normalization!r}")
        generator: nn.Module = DCGANGenerator(shape, options["latent_dim"], base, kernel)
        discriminator: nn.Module = DCGANDiscriminator(shape, base, kernel, normalization, bias=name == "dcgan")
    else:
        generator, discriminator = ResNetGenerator(shape, options["latent_dim"], base), ResNetCritic(shape, base)
    return {"discriminator": discriminator, "generator": generator}


# ---- losses


def game(name: str) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
    """Return the losses of the discriminator and of the generator, functions of (real, fake) outputs."""
    return {
        "dcgan": (
            lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
            lambda real, fake: F.softplus(-fake).mean(),
        ),
        "wgan_gp": (lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean()),
        "rpgan": (
            lambda real, fake: F.softplus(fake - real).mean(),
            lambda real, fake: F.softplus(real - fake).mean(),
        ),
    }[name]


def squared_slope(critic: nn.Module, x: Tensor) -> Tensor:
    """Return the squared norm of the critic's gradient at each sample, (batch,)."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope**2).sum((1, 2, 3))


# ---- the step


class Twin:
    """A model with its optimisers, its average and its data; `step` trains it once and returns the losses."""

    def __init__(self, settings: dict[str, Any], shape: tuple[int, ...], variant: str = "eager") -> None:
        self.settings, self.options = settings, settings["model"]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.layout = torch.contiguous_format if variant == "eager" else torch.channels_last
        self.players = networks(settings, shape)
        self.weights, self.optimizers = {}, {}
        for name, network in self.players.items():
            network.to(self.device, memory_format=self.layout)
            self.weights[name] = list(network.parameters())
            section = settings["optimizers"][name]
            self.optimizers[name] = torch.optim.Adam(
                self.weights[name],
                section["learning_rate"],
                (section["beta_1"], section["beta_2"]),
                section["epsilon"],
                fused=True,
            )
        # a penalty needs the derivative of a derivative, which compiled networks do not have: it takes these
        self.plain = dict(self.players)
        self.has_graphs = variant == "compile_graphs"
        if variant.startswith("compile"):
            mode = "reduce-overhead" if self.has_graphs else "default"
            self.players = {name: torch.compile(network, mode=mode) for name, network in self.players.items()}
        self.averaged = self.weights.get("generator", self.weights.get("network")) if settings["ema"] else []
        self.shadows = [weight.detach().clone() for weight in self.averaged]
        data = torch.randint(0, 256, (PICTURES, shape[-1], *shape[:2]), dtype=torch.uint8, device=self.device)
        self.data = data.contiguous(memory_format=self.layout)
        self.rows = self.row_numbers()
        # ours computes gated_pixel_cnn in float32, whatever the precision
        self.is_bfloat16 = settings["precision"] == "mixed_bfloat16" and "network" not in self.players
        self.done = 0

    def row_numbers(self) -> Iterator[Tensor]:
        """Yield the rows of each batch, epoch after epoch in a fresh order, nothing dropped."""
        size, left = self.settings["batch_size"], torch.empty(0, dtype=torch.int64)
        while True:
            while len(left) < size:
                left = torch.cat([left, torch.randperm(len(self.data))])
            yield left[:size].to(self.device, non_blocking=True)
            left = left[size:]

    def step(self) -> list[Tensor]:
        """Train once."""
        if self.has_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # what the graphs made in the last step may be overwritten
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            x = self.data[next(self.rows)].float() / 127.5 - 1
            losses = self.ascend(x) if "network" in self.players else self.play(x)
        self.done += 1
        if self.shadows:
            decay = min(self.settings["ema"], (1 + self.done) / (10 + self.done))
            with torch.no_grad():
                torch._foreach_lerp_(self.shadows, self.averaged, 1 - decay)
        return losses

    def ascend(self, x: Tensor) -> list[Tensor]:
        """Take a step of maximum likelihood."""
        loss = -self.players["network"](x).mean()
        self.update("network", loss)
        return [loss.detach()]

    def play(self, x: Tensor) -> list[Tensor]:
        """Update the discriminator as often as the model has it, each time on its part, then the generator."""
        turns, name = self.options.get("n_critic", 1), self.options["name"]
        of_discriminator, of_generator = game(name)
        for turn in range(turns):
            part = x[turn::turns]
            fake = self.generated(len(part)).detach()
            loss = of_discriminator(self.logits(part), self.logits(fake))
            terms = [loss]
            if name != "dcgan":
                terms.append(self.options["penalty_weight"] * self.penalty(part, fake))
            self.update("discriminator", sum(terms))
        fake_logits = self.logits(self.generated(len(part)))
        with torch.no_grad():
            real_logits = self.logits(part) if name == "rpgan" else None
        generator_loss = of_generator(real_logits, fake_logits)
        self.update("generator", generator_loss)
        return [*(term.detach() for term in terms), generator_loss.detach()]

    def generated(self, count: int) -> Tensor:
        """Return so many samples."""
        shape = (count, self.options["latent_dim"])
        z = torch.randn(shape, device=self.device)
        if self.options["latent"] == "uniform":
            z = torch.rand(shape, device=self.device) * 2 - 1
        return self.players["generator"](z)

    def logits(self, x: Tensor) -> Tensor:
        return self.players["discriminator"](x)

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the penalty on the slope, without its weight."""
        critic = self.plain["discriminator"]
        if self.options["name"] == "rpgan":
            return squared_slope(critic, torch.cat([real, fake])).mean()
        share = torch.rand((len(real), 1, 1, 1), device=self.device)
        return ((torch.sqrt(squared_slope(critic, share * real + (1 - share) * fake) + 1e-12) - 1) ** 2).mean()

    def update(self, player: str, loss: Tensor) -> None:
        """Take one step of the player's optimiser; the other player's weights get no gradient."""
        section, optimizer = self.settings["optimizers"][player], self.optimizers[player]
        if section["schedule"] == "linear":
            optimizer.param_groups[0]["lr"] = section["learning_rate"] * (1 - self.done / self.settings["train_steps"])
        for weight, gradient in zip(self.weights[player], torch.autograd.grad(loss, self.weights[player]), strict=True):
            weight.grad = gradient
        optimizer.step()

    def steps(self, count: int) -> float:
        """Train so often; return the last generator's loss, or that of the network, once all is done."""
        losses = [torch.stack(self.step()) for _ in range(count)]
        return float(torch.stack(losses).cpu()[-1, -1])


# ---- what the tests compare


def load(network: nn.Module, arrays: list[np.ndarray]) -> None:
    """Give a network the weights of ours, in the order in which Keras has them.

    Where a stride is 2, TensorFlow pads more after the picture than before it, PyTorch the same on both sides. Mirrored
    in both axes, the two are the same: there the kernels and maps are mirrored, and so are the pictures.
    """
    is_mirrored = isinstance(network, DCGANGenerator | DCGANDiscriminator)
    channels, height, width = getattr(network, "map", (0, 1, 1))
    is_to_map = isinstance(network, DCGANGenerator | ResNetGenerator)
    for parameter, array in zip(network.parameters(), arrays, strict=True):
        if array.ndim == 4:
            array = np.transpose(array[::-1, ::-1] if is_mirrored else array, (3, 2, 0, 1))
        elif is_to_map and parameter.shape[0] == math.prod(network.map):  # the kernel and the bias of a dense layer
            maps = array.reshape(-1, height, width, channels).transpose(3, 1, 2, 0)
            array = (maps[:, ::-1, ::-1] if is_mirrored else maps).reshape(parameter.shape)
        elif is_mirrored and array.ndim == 2:  # from a map
            array = array.reshape(height, width, channels)[::-1, ::-1].transpose(2, 0, 1).reshape(1, -1)
        elif array.ndim == 2:
            array = array.T
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def compare(settings: dict[str, Any], shape: tuple[int, ...], file: str) -> None:
    """Read weights and inputs of ours from an .npz file, and add what the twin's networks make of them."""
    given = dict(np.load(file))
    for name, network in networks(settings, shape).items():
        arrays = [given[key] for key in sorted(key for key in given if key.startswith(f"{name}/"))]
        load(network, arrays)
        x = torch.from_numpy(given[f"input of {name}"])
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2)
        is_mirrored = isinstance(network, DCGANGenerator | DCGANDiscriminator)
        x = x.flip(2, 3) if is_mirrored and x.ndim == 4 else x
        made = network(x)
        made = made.flip(2, 3) if is_mirrored and made.ndim == 4 else made
        given[f"output of {name}"] = (made.permute(0, 2, 3, 1) if made.ndim == 4 else made).detach().numpy()
        if name == "discriminator":
            given["slope"] = squared_slope(network, x).detach().numpy()
    np.savez(file, **given)


# ---- the child of a bench


class Operations(TorchDispatchMode):
    """Count the multiplications and additions of convolutions and products, as PyTorch's own table has them.

    Its FlopCounterMode asks modules for more than a gradient of a gradient can answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function.overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=made)
        return made


def main() -> None:
    """Serve the bench that started this."""
    told = json.loads(Path(sys.argv[1]).read_text())
    settings, shape, variant = told["settings"], tuple(told["shape"]), told.get("variant", "eager")
    if "compare" in told:
        compare(settings, shape, told["compare"])
        return
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True  # as TensorFlow does by itself
    is_deterministic = settings.get("deterministic", False)
    torch.use_deterministic_algorithms(is_deterministic)
    torch.backends.cudnn.benchmark = not is_deterministic
    twin = Twin(settings, shape, variant)
    a, b = torch.rand(2, PRODUCT, PRODUCT, device=twin.device)

    def product(count: int) -> float:
        for _ in range(count):
            made = a @ b
        return float(made[0, 0])

    def operations() -> int:
        with Operations() as counter:
            twin.steps(1)
        return counter.total

    twin.steps(2)
    serve(
        {"weights": {name: sum(map(torch.numel, weights)) for name, weights in twin.weights.items()}},
        {"go": twin.steps, "product": product, "operations": lambda _: operations()},
    )


if __name__ == "__main__":
    main()
