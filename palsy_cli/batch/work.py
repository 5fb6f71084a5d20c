"""One job in one process: assess the video, write its result, say how it ended."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palsy_cli.batch.jobs import Job, Outcome, write_failure, write_result
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import InputError, PalsyError

if TYPE_CHECKING:
    from palsy_cli.networks.weights import ModelSet

#: What a worker does with a job.
DoJob = Callable[[Job, ProgressCallback | None], Outcome]


@dataclass(frozen=True)
class Order:
    """What all jobs of a batch have in common; a worker gets it once.

    Attributes:
        out: folder of the results, an absolute path.
        settings: what changes an answer.
        execution: device, weights, batch size.
        include_images: put pictures of the face into the reports.
    """

    out: Path
    settings: Settings
    execution: Execution
    include_images: bool = False

    def open(self, device: str, threads: int) -> DoJob:
        """Get ready in this process: load the networks as they are needed, compute in so many threads.

        Raises:
            ModelError: no weights.
            UsageError: no such device.
        """
        import cv2
        import torch

        from palsy_cli.networks.weights import ModelSet

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        return functools.partial(do_job, self, ModelSet.of(dataclasses.replace(self.execution, device=device)))


def do_job(order: Order, models: ModelSet, job: Job, on_progress: ProgressCallback | None = None) -> Outcome:
    """Assess one video into ``out/results/<job id>``.

    What is wrong with a video is its result, too (``failure.json``). A bug of ours is not: it is told, and tried again
    by the next batch. The times of the stages are left out of the files, so that every run writes the same bytes.

    Raises:
        UsageError: the result cannot be written.
        ModelError: weights are missing or damaged.
    """
    from palsy_cli import pipeline
    from palsy_cli.report import report_texts

    started = time.perf_counter()
    try:
        result = pipeline.assess(
            job.path, settings=order.settings, models=models, mirrored=job.mirrored, on_progress=on_progress
        )
        timeless = dataclasses.replace(result, run=dataclasses.replace(result.run, seconds={}))
        texts = report_texts(timeless, include_images=order.include_images)
    except InputError as error:
        reason = " ".join(str(error).removeprefix(f"{job.path}: ").split())
        outcome = Outcome(job.id, error.exit_code, reason, time.perf_counter() - started)
        write_failure(order.out, outcome)
        return outcome
    except PalsyError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())} ({where}, a bug in palsy)"
        return Outcome(job.id, 1, reason, time.perf_counter() - started)
    write_result(order.out, job.id, texts)
    return Outcome(job.id, 0, "", time.perf_counter() - started)
