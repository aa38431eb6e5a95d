# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table, the JSON file and the chart."""

import json
import os
import pathlib
import platform
import re
import subprocess
import time
from xml.sax.saxutils import escape

from bench_model import MISS, MISSING, PASS, Check, judge_row

COLOURS = {PASS: '#2e9e5b', MISS: '#d1495b'}
BAR_LEFT, BAR_SCALE, BAR_MAX, BAR_STEP = 430, 200, 2.5, 22


def show_number(number, unit):
    if unit == '1/s':
        return f'{number / 1e6:.2f} M/s' if number >= 1e6 else f'{number / 1e3:.1f} k/s'
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f'{number:.{digits}f} {unit}'.strip()


def show_goal(check):
    goal = f'{check.comparison} {show_number(check.limit, check.figure.unit)}'
    return f'{goal} {check.against}'.strip()


def show_outcome(outcome):
    unit = outcome.item.figure.unit
    if not outcome.rounds:
        return '-'
    text = show_number(outcome.median, unit)
    if len(outcome.rounds) > 1:
        low, high = (show_number(pick(outcome.rounds), unit) for pick in (min, max))
        text += f'  [{low} .. {high}]'
    return text


def choose_lines(outcomes):
    """A goal is shown even when its figure is missing; a mere figure is not."""
    for outcome in outcomes:
        if isinstance(outcome.item, Check):
            yield outcome.verdict, outcome.item.label, show_goal(outcome.item), outcome
        elif outcome.rounds:
            yield '', outcome.item.label, '', outcome


def print_table(results, problems, warnings):
    lines = [line for _, outcomes in results for line in choose_lines(outcomes)]
    label_width, goal_width = (max((len(line[i]) for line in lines), default=0) for i in (1, 2))
    for row, outcomes in results:
        print(f'\n{row.id:<7} {row.title}  {judge_row(outcomes)}'.rstrip())
        for verdict, label, goal, outcome in choose_lines(outcomes):
            print(f'  {verdict:<7} {label:<{label_width}}  {goal:<{goal_width}}  '
                  f'{show_outcome(outcome)}'.rstrip())
    print_problems(problems)
    for warning in warnings:
        print(f'\nWarning: {warning}')


def print_problems(problems):
    reasons = {}
    for job, why in problems.items():
        reasons.setdefault((job.program, why), []).append(' '.join(job.arguments))
    if reasons:
        print('\nMissing:')
    for (program, why), arguments in reasons.items():
        print(f'  {program} ({len(arguments)}: {arguments[0]}...): {why}')


def print_summary(results):
    rated = [(row.id, judge_row(outcomes)) for row, outcomes in results if row.checks]
    print('\n' + '  '.join(f'{id_} {verdict}' for id_, verdict in rated))


def read_options(build):
    try:
        text = (build / 'meson-info' / 'intro-buildoptions.json').read_text(encoding='utf-8')
    except OSError:
        return {}
    return {option['name']: option['value'] for option in json.loads(text)}


def find_warnings(build, n_rounds, quick):
    options = read_options(build)
    warnings = []
    if options.get('optimization', '2') not in ('2', '3', 's'):
        warnings.append(f'{build} is built with -O{options["optimization"]}')
    if options.get('b_sanitize', 'none') not in ('none', []):
        warnings.append(f'{build} is built with a sanitizer')
    if (os.cpu_count() or 1) < 2:
        warnings.append('one processor: nothing here means anything')
    if quick or n_rounds < 3:
        warnings.append('a quick look: figures count only over several full rounds')
    if os.getloadavg()[0] > 4 * (os.cpu_count() or 1):
        warnings.append('something else keeps this machine busy')
    return warnings


def describe_machine():
    model = ''
    try:
        cpuinfo = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
        match = re.search(r'^model name\s*:\s*(.*)$', cpuinfo, re.MULTILINE)
        model = match.group(1) if match else ''
    except OSError:
        pass
    return {'processor': model, 'processors': os.cpu_count(), 'kernel': platform.release(),
            'python': platform.python_version(), 'load': os.getloadavg()[0]}


def describe_commit():
    try:
        return subprocess.run(['git', 'describe', '--always', '--dirty'], check=True, text=True,
                              cwd=pathlib.Path(__file__).parent, capture_output=True,
                              timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def describe_outcome(outcome):
    item = outcome.item
    entry = {'label': item.label, 'unit': item.figure.unit, 'median': outcome.median,
             'rounds': outcome.rounds}
    if isinstance(item, Check):
        entry.update(goal=f'{item.comparison} {item.limit}', against=item.against,
                     verdict=outcome.verdict)
    return entry


def write_json(path, results, rounds, problems, warnings):
    document = {
        'written': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
        'commit': describe_commit(),
        'machine': describe_machine(),
        'warnings': warnings,
        'rows': [{'id': row.id, 'title': row.title, 'verdict': judge_row(outcomes),
                  'figures': [describe_outcome(outcome) for outcome in outcomes]}
                 for row, outcomes in results],
        'problems': [{'job': [job.program, *job.arguments], 'why': why}
                     for job, why in problems.items()],
        'rounds': rounds,
    }
    path.write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')


def draw_bar(outcome, id_, y):
    item = outcome.item
    label = escape(f'{id_}  {item.label}' + (f' : {item.against}' if item.against else ''))
    parts = [f'<text x="{BAR_LEFT - 8}" y="{y + 13}" text-anchor="end">{label}</text>']
    if outcome.verdict == MISSING:
        parts.append(f'<text x="{BAR_LEFT + 4}" y="{y + 13}" fill="#888">missing</text>')
        return parts
    low, median, high = sorted(min(BAR_MAX, item.score(v)) * BAR_SCALE for v in
                               (min(outcome.rounds), outcome.median, max(outcome.rounds)))
    text = escape(f'{show_number(outcome.median, item.figure.unit)} (goal '
                  f'{item.comparison} {show_number(item.limit, item.figure.unit)})')
    parts += [
        f'<rect x="{BAR_LEFT}" y="{y + 2}" width="{max(1, median):.1f}" height="14" '
        f'fill="{COLOURS[outcome.verdict]}"/>',
        f'<line x1="{BAR_LEFT + low:.1f}" x2="{BAR_LEFT + high:.1f}" y1="{y + 9}" y2="{y + 9}" '
        'stroke="#222"/>',
        f'<text x="{BAR_LEFT + max(high, BAR_SCALE) + 8:.1f}" y="{y + 13}">{text}</text>']
    return parts


def write_chart(path, results):
    """Every bar is measured against its goal: what stays left of the line keeps it."""
    bars = [(row.id, outcome) for row, outcomes in results for outcome in outcomes
            if isinstance(outcome.item, Check)]
    height = BAR_STEP * len(bars) + 60
    goal_x = BAR_LEFT + BAR_SCALE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="1180" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<title>aiopool: measured against the goals</title>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{goal_x}" y="24" text-anchor="middle">goal</text>']
    for index, (id_, outcome) in enumerate(bars):
        parts += draw_bar(outcome, id_, 36 + index * BAR_STEP)
    parts += [f'<line x1="{goal_x}" x2="{goal_x}" y1="30" y2="{height - 20}" stroke="#444" '
              'stroke-dasharray="4 3"/>', '</svg>']
    path.write_text('\n'.join(parts) + '\n', encoding='utf-8')
