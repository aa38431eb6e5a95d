// SPDX-License-Identifier: LGPL-2.1-or-later

import Aiopool from 'gi://Aiopool?version=1';
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

Gio._promisify(Aiopool.Future.prototype, 'collect_async', 'collect_finish');

function square(call, args) {
    const [number] = args.deepUnpack();
    return new GLib.Variant('x', number * number);
}

function addOne(ended) {
    return new GLib.Variant('x', ended.get_result().unpack() + 1);
}

async function run(pool) {
    const task = Aiopool.Task.new('square', new GLib.Variant('(x)', [3]));
    const first = pool.submit(task, null);
    const second = pool.submit_after(task, first, Aiopool.ChainFlags.CANCEL);
    const last = second.map(Aiopool.ChainFlags.RESULTS_ONLY, addOne);
    const result = await last.collect_async(null);
    print(result.unpack());
}

if (Aiopool.Service.is_worker()) {
    const service = Aiopool.Service.new();
    service.add('square', square);
    service.run();
} else {
    const launcher = Aiopool.Launcher.new_for_argv(['gjs', '-m', System.programPath]);
    await run(Aiopool.Pool.new_with_launcher(2, launcher));
}
