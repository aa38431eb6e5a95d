// SPDX-License-Identifier: LGPL-2.1-or-later

// Functions of Python for a program in JavaScript.

import Aiopool from 'gi://Aiopool?version=1';
import GLib from 'gi://GLib';
import Gio from 'gi://Gio';
import System from 'system';

import {runTests} from '../languages/taptest.js';

Gio._promisify(Aiopool.Batch.prototype, 'collect_all_async', 'collect_all_finish');
Gio._promisify(Aiopool.Future.prototype, 'collect_async', 'collect_finish');

// Seconds after which a test that waits for something has failed.
const LIMIT = 60;

const pool = Aiopool.Pool.new_with_launcher(1, Aiopool.Launcher.new_for_python(null));

function assertEqual(value, expected) {
    const [left, right] = [value, expected].map(each => JSON.stringify(each));
    if (left !== right)
        throw new Error(`${left} instead of ${right}`);
}

const tests = {
    async 'a-function-is-applied-to-many-items'() {
        const batch = pool.map(Aiopool.Task.new('builtins:hex', null),
            new GLib.Variant('ai', [1, 255]));
        batch.chunk_size = 0;
        assertEqual((await batch.collect_all_async(null)).recursiveUnpack(), ['0x1', '0xff']);
    },

    async 'an-exception-is-told-of'() {
        const task = Aiopool.Task.new('json:loads', new GLib.Variant('(s)', ['{']));
        const future = pool.submit(task, null);
        let error = null;
        try {
            await future.collect_async(null);
        } catch (caught) {
            error = caught;
        }
        assertEqual(error.matches(Aiopool.TaskError, Aiopool.TaskError.FAILED), true);
        assertEqual(future.get_error_info().get_type_name(), 'json.decoder.JSONDecodeError');
    },

    'an-error-carries-itself'() {
        const info = Aiopool.ErrorInfo.new('Missing', 'there is nothing');
        assertEqual(info.get_payload()[0], null);
        info.set_payload(new GLib.Bytes([1, 2]), Aiopool.Format.PICKLE);
        const [bytes, format] = info.get_payload();
        assertEqual([bytes.get_size(), format], [2, Aiopool.Format.PICKLE]);
    },
};

const status = await runTests(tests, LIMIT);
pool.shutdown(Aiopool.ShutdownFlags.DRAIN, null);
System.exit(status);
