# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs jobs in interleaved rounds and collects what they print."""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOT_INSTALLED = 77
NOISE = ('G_DEBUG', 'G_SLICE', 'G_MESSAGES_DEBUG', 'MALLOC_PERTURB_', 'MALLOC_CHECK_',
         'PYTHONDONTWRITEBYTECODE')  # an installed package is compiled, and so is that of the build


class Missing(Exception):
    """A job that gives no figures, and why."""


class Runner:
    def __init__(self, build):
        self.build = build
        self.problems = {}  # job -> why, the first time
        self.environment = {k: v for k, v in os.environ.items() if k not in NOISE}
        self.environment['AIOPOOL_WORKER_DIR'] = str((build / 'aiopool').resolve())
        packages = [str((build / 'bindings' / 'python').resolve()), os.environ.get('PYTHONPATH')]
        self.environment['PYTHONPATH'] = ':'.join(filter(None, packages))
        modules = [HERE / 'node_modules', build / 'bench' / 'node_modules']
        given = self.environment.get('NODE_PATH')
        self.environment['NODE_PATH'] = ':'.join([*map(str, modules), *([given] if given else [])])

    def find_program(self, name):
        for folder in (self.build / 'tests' / 'bench', self.build):
            if os.access(folder / name, os.X_OK):
                return str(folder / name)
        raise Missing(f'{name} is not built in {self.build}')

    def command(self, job):
        """`@NAME` in an argument stands for the path of that program."""
        arguments = [self.find_program(text[1:]) if text.startswith('@') else text
                     for text in job.arguments]
        if job.program.endswith('.py'):
            return ['/usr/bin/python3', str(HERE / job.program), *arguments]
        if job.program.endswith('.mjs'):
            return ['node', str(HERE / job.program), *arguments]
        return [self.find_program(job.program), *arguments]

    def run_once(self, job):
        command = self.command(job)
        try:
            process = subprocess.Popen(command, env=self.environment, start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        except OSError as error:
            raise Missing(str(error)) from error
        try:
            output, errors = process.communicate(timeout=job.timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Missing(f'no end within {job.timeout:.0f} s') from error
            raise
        if process.returncode != 0:
            raise Missing(explain(process.returncode, errors))
        return {figure['name']: figure['value'] for figure in map(json.loads, output.splitlines())}

    def run(self, job, figures):
        if job in self.problems:
            return
        try:
            runs = [self.run_once(job) for _ in range(job.times)]
        except Missing as why:
            self.problems[job] = str(why)
            return
        for name in runs[0]:
            figures[name] = statistics.median(run[name] for run in runs)

    def run_rounds(self, jobs, n_rounds):
        """Every other round goes backwards, so that nothing is always first."""
        rounds = []
        for index in range(n_rounds):
            figures = {}
            for number, job in enumerate(jobs if index % 2 == 0 else reversed(jobs)):
                show_progress(f'round {index + 1}/{n_rounds}, {number + 1}/{len(jobs)}: '
                              f'{job.program} {" ".join(job.arguments)}')
                self.run(job, figures)
            rounds.append(figures)
        show_progress('')
        return rounds


def explain(status, errors):
    lines = [line for line in errors.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else 'nothing on standard error'
    if status == NOT_INSTALLED:
        return last
    return f'signal {-status}: {last}' if status < 0 else f'exit status {status}: {last}'


def show_progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f'\r\033[K{text}')
        sys.stderr.flush()
