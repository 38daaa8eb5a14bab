"""Options that several commands share, and the reading of what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.engine_options import MaxMemory

if TYPE_CHECKING:
    from vlsu.models.catalogue import NamedModel
    from vlsu.runs.options import ModelOptions

#: Read without being named, where there is one.
MODELS_FILE = Path("models.yaml")

DatasetPath = Annotated[str, typer.Argument(help="A dataset folder, or vlsu-mini.")]
MovedDatasets = Annotated[
    list[Path] | None,
    typer.Option(
        "--dataset", help="A dataset's folder, if it was moved since. Repeatable, for several runs."
    ),
]
MovedDataset = Annotated[
    Path | None, typer.Option("--dataset", help="The dataset's folder, if it was moved since.")
]
Out = Annotated[Path, typer.Option(help="The run folder; the same command continues a run in it.")]
Models = Annotated[
    Path | None, typer.Option(help="File of named models; models.yaml if there is one.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(help="Root of the model's OpenAI-compatible server, with its /v1."),
]
JudgeBaseUrl = Annotated[
    str | None, typer.Option(help="Root of the judge's OpenAI-compatible server.")
]
JudgePrice = Annotated[
    str | None, typer.Option(help="The judge's price, as --price; needed for --max-cost.")
]
Captions = Annotated[
    bool,
    typer.Option(
        "--captions",
        help="Show the model the dataset's captions in place of the images: for models that "
        "cannot see.",
    ),
]
WriterCaptions = Annotated[
    bool,
    typer.Option(
        "--captions",
        help="Give the model the images' captions in place of them: for one that cannot see.",
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        help="A system prompt, put before the instructions of the task; @FILE for the text of a "
        "file, @@ for a text that begins with @."
    ),
]
Limit = Annotated[int | None, typer.Option(help="Ask for this many samples only, drawn by --seed.")]
Draws = Annotated[
    int,
    typer.Option(
        help="Answers to each request, for how far figures move when the model is asked again; "
        "needs --param temperature=..."
    ),
]
StructuredOutput = Annotated[
    str | None,
    typer.Option(
        "--structured",
        help="auto (if not given), on or off: have the server enforce the answer's schema.",
    ),
]
WithoutImages = Annotated[
    bool,
    typer.Option(
        "--without-images",
        help="Go on where samples have the address of an image and no image (vlsu data fetch "
        "fetches it), and ask of them only what needs none.",
    ),
]
BudgetOption = Annotated[
    int | None,
    typer.Option(
        "--budget",
        help="Ask about this many samples (each up to three requests), drawn by pattern, and "
        "estimate the metrics of the whole dataset from them.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        help="Draw samples until an interval is narrow enough, such as 'joint.f1_macro +- 0.02'; "
        "any rate of metrics.json. With --budget, that many samples at most."
    ),
]
PilotOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--pilot",
        help="A finished run over this dataset, of any model: what it answered decides which "
        "samples are drawn most, and takes part of the draw's luck away. Repeatable.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Draws the samples; sent to the provider if given.")]
MaxTokens = Annotated[
    int | None, typer.Option(help="Bound on an answer, in tokens; 1024 if not given.")
]
Timeout = Annotated[float | None, typer.Option(help="Seconds for one attempt; 120 if not given.")]
InsecureHttp = Annotated[
    bool | None,
    typer.Option(
        "--insecure-http",
        help="Send an API key over plain HTTP to a host that is neither this machine nor of a "
        "private network.",
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(help="name=value passed on to the provider; JSON values. Repeatable."),
]
Concurrency = Annotated[
    int | None, typer.Option(help="Requests in flight; found by trying, if not given.")
]
Rpm = Annotated[float | None, typer.Option(help="Requests a minute at most.")]
Tpm = Annotated[float | None, typer.Option(help="Tokens a minute at most.")]
MaxRequests = Annotated[
    int | None, typer.Option(help="Stop cleanly after this many; can be continued.")
]
MaxCost = Annotated[float | None, typer.Option(help="Stop cleanly at this cost; can be continued.")]
PriceOption = Annotated[
    str | None,
    typer.Option(
        help="INPUT,OUTPUT for a million tokens, or a YAML file of prices; list prices of a "
        "known date if not given."
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Where a model in this process runs: cpu, cuda, cuda:1, mps.")
]
Dtype = Annotated[
    str | None, typer.Option(help="Weights of a model in this process: float32, bfloat16, float16.")
]
MaxBatch = Annotated[
    int | None, typer.Option(help="Requests that a model in this process answers at once, at most.")
]
Quantize = Annotated[
    str | None, typer.Option(help="Quantize the weights of a model in this process: 8bit, 4bit.")
]
Adapter = Annotated[
    str | None, typer.Option(help="A LoRA adapter for a model in this process: folder or name.")
]
MinAnswered = Annotated[
    str,
    typer.Option(
        "--min-answered",
        help="Share of answers, such as 95% or 0.95, below which figures come with a warning.",
    ),
]
Primary = Annotated[
    list[str] | None,
    typer.Option(
        help="The metric that decides, such as joint.accuracy or over_blocking. Repeatable."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Estimate requests, tokens and cost, and send nothing.")
]


@dataclass(frozen=True, kw_only=True)
class ModelArguments:
    """How the model is asked, by the options of every command that runs one; `None`: not given."""

    models: Models = None
    base_url: BaseUrl = None
    system: System = None
    seed: Seed = None
    max_tokens: MaxTokens = None
    timeout: Timeout = None
    insecure_http: InsecureHttp = None
    param: Param = None
    concurrency: Concurrency = None
    rpm: Rpm = None
    tpm: Tpm = None
    max_requests: MaxRequests = None
    max_cost: MaxCost = None
    price: PriceOption = None
    max_memory: MaxMemory = None
    device: Device = None
    dtype: Dtype = None
    max_batch: MaxBatch = None
    quantize: Quantize = None
    adapter: Adapter = None

    def given(self, **more: object) -> ModelOptions:
        """The options of the model that are given.

        Args:
            more: Further ones, of `ModelOptions`; `None` is not given.

        Raises:
            UsageError: A parameter is not ``name=value``, or a system prompt cannot be read.
        """
        from vlsu.runs.options import ModelOptions

        return ModelOptions.given(
            base_url=self.base_url,
            system=read_system(self.system),
            seed=self.seed,
            max_tokens=self.max_tokens,
            timeout_s=self.timeout,
            insecure_http=self.insecure_http,
            params=read_params(self.param or []),
            concurrency=self.concurrency,
            requests_per_minute=self.rpm,
            tokens_per_minute=self.tpm,
            max_requests=self.max_requests,
            max_cost=self.max_cost,
            price=self.price,
            max_memory=self.max_memory,
            device=self.device,
            dtype=self.dtype,
            max_batch=self.max_batch,
            quantize=self.quantize,
            adapter=self.adapter,
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class JudgeArguments:
    """How the judges are asked, where the model has options of its own; `None`: not given."""

    judge_base_url: JudgeBaseUrl = None
    judge_price: JudgePrice = None

    def given(self, model: ModelArguments) -> ModelOptions:
        """The options of a judge that are given, some of them with the model's."""
        from vlsu.runs.options import ModelOptions

        return ModelOptions.given(
            base_url=self.judge_base_url,
            insecure_http=model.insecure_http,
            concurrency=model.concurrency,
            price=self.judge_price,
        )


def choose_models(names: list[str], file: Path | None, option: str = "--model") -> list[NamedModel]:
    """The models meant by names of a file, or by SPECs.

    Raises:
        UsageError: A model is named twice, two would have one folder, or the file cannot be read.
    """
    from vlsu.errors import UsageError
    from vlsu.models.catalogue import NamedModel, folder_name, load_models

    if file is None and MODELS_FILE.exists():
        file = MODELS_FILE
    known = load_models(file) if file else {}
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"{option} {twice.pop()} is given twice; remove one")
    folders: dict[str, str] = {}
    for name in names:
        if (other := folders.setdefault(folder_name(name).casefold(), name)) != name:
            raise UsageError(f"{option} {other} and {name} would have one folder; run them apart")
    return [known.get(name) or NamedModel(name, name) for name in names]


def read_system(given: str | None) -> str | None:
    """The system prompt that an option means: the text itself, or that of a file.

    Raises:
        UsageError: The file cannot be read.
    """
    from vlsu._files import is_regular, read_text
    from vlsu.cli.output import say
    from vlsu.errors import UsageError

    if given is None or given.startswith("@@"):
        return given and given[1:]
    if not given.startswith("@"):
        if "\n" not in given and is_regular(given):
            say(f"--system {given}: sent as it is; write @{given} to send the text of that file")
        return given
    path = given[1:]
    try:
        text = read_text(path).strip()
    except OSError as error:
        raise UsageError(f"--system {given}: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"--system {given}: {path} is not UTF-8; save it as such") from None
    if not text:
        raise UsageError(f"--system {given}: {path} is empty")
    return text


def read_params(pairs: list[str]) -> dict[str, object]:
    """``name=value`` pairs; a value is JSON where it reads as such, else text.

    Raises:
        UsageError: A pair without ``=`` or without a name.
    """
    import orjson

    from vlsu.errors import UsageError

    params: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {pair!r}: write name=value")
        try:
            params[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            params[name] = value
        try:
            pair.encode()
        except UnicodeEncodeError:
            raise UsageError(f"--param {name!r}: not UTF-8") from None
    return params


def read_names(given: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip() for name in given.split(",") if name.strip()]
