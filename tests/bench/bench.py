#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures aiopool, the raw floors and the peers in turn, and holds the ratios to the goals.

A figure counts only against another of the same round: machines are shared and noisy. Every goal
is the median over the rounds of a ratio inside each. The exit status says whether the benchmark
ran, not how well it went.
"""

import argparse
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import bench_report
import bench_rows_c
import bench_rows_python
from bench_model import judge
from bench_run import Runner

ROOT = pathlib.Path(__file__).resolve().parents[2]

# One module of rows for each language: `bench.py c` runs all of one.
GROUPS = {'c': bench_rows_c, 'python': bench_rows_python}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('rows', nargs='*', metavar='ROW',
                        help=f'P1, P2, ..., floors, peers or a group ({", ".join(GROUPS)}); '
                             'all of them by default')
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / '_build', metavar='DIR',
                        help='the Meson build directory (default: %(default)s)')
    parser.add_argument('--rounds', type=int, metavar='N', help='default: 5, with --quick 2')
    parser.add_argument('--quick', action='store_true', help='fewer tasks: a look, not a figure')
    parser.add_argument('--list', action='store_true', help='print the rows and stop')
    parser.add_argument('--install-peers', action='store_true',
                        help='first install piscina into DIR/bench, by npm')
    return parser.parse_args()


def choose_rows(wanted, quick):
    groups = {name: module.make_rows(quick) for name, module in GROUPS.items()}
    rows = [row for group in groups.values() for row in group]
    if not wanted:
        return rows
    known = {row.id.lower(): [row] for row in rows} | groups
    unknown = [name for name in wanted if name.lower() not in known]
    if unknown:
        sys.exit(f'bench.py: there is no row {", ".join(unknown)}; there are {", ".join(known)}')
    chosen = {row.id: row for name in wanted for row in known[name.lower()]}
    return list(chosen.values())


def collect_jobs(rows):
    """Each job once a round, next to what it is compared with."""
    return list(dict.fromkeys(job for row in rows for job in row.jobs))


def install_peers(folder):
    command = ['npm', 'install', '--no-save', '--no-audit', '--no-fund', '--prefix', str(folder),
               'piscina']
    if subprocess.run(command, check=False).returncode != 0:
        print('bench.py: npm could not install piscina; it will be missing', file=sys.stderr)


def main():
    options = parse_arguments()
    rows = choose_rows(options.rows, options.quick)
    if options.list:
        for row in rows:
            print(f'{row.id:<7} {row.title}')
        return
    build = options.build.resolve()
    if not build.is_dir():
        sys.exit(f'bench.py: {build} is not a build directory')
    output = build / 'bench'
    output.mkdir(exist_ok=True)
    if options.install_peers:
        install_peers(output)

    n_rounds = options.rounds or (2 if options.quick else 5)
    warnings = bench_report.find_warnings(build, n_rounds, options.quick)
    runner = Runner(build)
    rounds = runner.run_rounds(collect_jobs(rows), n_rounds)
    results = [(row, [judge(item, rounds) for item in (*row.checks, *row.notes)]) for row in rows]

    bench_report.print_table(results, runner.problems, warnings)
    bench_report.print_summary(results)
    bench_report.write_json(output / 'bench.json', results, rounds, runner.problems, warnings)
    bench_report.write_chart(output / 'bench.svg', results)
    print(f'\n{output}/bench.json, {output}/bench.svg')


if __name__ == '__main__':
    main()
