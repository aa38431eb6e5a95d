// SPDX-License-Identifier: LGPL-2.1-or-later

import Aiopool from 'gi://Aiopool?version=1';
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

Gio._promisify(Aiopool.Executor.prototype, 'run_async', 'run_finish');

function square(call, args) {
    const [number] = args.deepUnpack();
    return new GLib.Variant('x', number * number);
}

if (Aiopool.Service.is_worker()) {
    const service = Aiopool.Service.new();
    service.add('square', square);
    service.run();
} else {
    const launcher = Aiopool.Launcher.new_for_argv(['gjs', '-m', System.programPath]);
    const pool = Aiopool.Pool.new_with_launcher(2, launcher);
    const task = Aiopool.Task.new('square', new GLib.Variant('(x)', [12]));
    const result = await pool.run_async(task, null);
    print(result.unpack());
}
