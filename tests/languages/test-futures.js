// SPDX-License-Identifier: LGPL-2.1-or-later

// Futures together, and one after the other, through the bare introspected API in JavaScript.

import Aiopool from 'gi://Aiopool?version=1';
import GLib from 'gi://GLib';
import Gio from 'gi://Gio';
import System from 'system';

import {runTests} from './taptest.js';

Gio._promisify(Aiopool.Future.prototype, 'collect_async', 'collect_finish');
Gio._promisify(Aiopool.FutureSet.prototype, 'next_async', 'next_finish');
Gio._promisify(Aiopool.FutureSet.prototype, 'next_batch_async', 'next_batch_finish');
Gio._promisify(Aiopool.FutureSet.prototype, 'wait_async', 'wait_finish');
Gio._promisify(Aiopool.FutureSet.prototype, 'collect_all_async', 'collect_all_finish');

const PLUGIN = System.programArgs[0];

// Seconds after which a test that waits for something has failed.
const LIMIT = 60;

const pool = Aiopool.Pool.new_with_launcher(2, Aiopool.Launcher.new_for_plugins([PLUGIN]));

function newTask(func, signature = '()', values = []) {
    return Aiopool.Task.new(func, new GLib.Variant(signature, values));
}

function submit(number) {
    return pool.submit(newTask('echo', '(i)', [number]), null);
}

function numberOf(future) {
    return future.get_result().deepUnpack()[0];
}

function range(n) {
    return Array.from({length: n}, (_, index) => index);
}

function newSet(n) {
    return Aiopool.FutureSet.new_for(range(n).map(submit));
}

function assert(condition, text) {
    if (!condition)
        throw new Error(text);
}

function assertEqual(value, expected) {
    const [left, right] = [value, expected].map(each => JSON.stringify(each));
    assert(left === right, `${left} instead of ${right}`);
}

async function assertRejects(domain, code, promise) {
    try {
        await promise;
    } catch (error) {
        assert(error instanceof GLib.Error && error.matches(domain, code), `wrong error: ${error}`);
        return;
    }
    throw new Error('was not rejected');
}

const tests = {
    async 'a-set-is-drained-while-it-grows'() {
        const set = newSet(5);
        const seen = [];
        for (let future; (future = await set.next_async(LIMIT, null));) {
            seen.push(numberOf(future));
            if (seen.length <= 5)
                assert(set.add(submit(seen.length + 4)), 'was not added');
        }
        assertEqual(seen.sort((a, b) => a - b), range(10));
    },

    'a-set-is-drained-without-a-main-loop'() {
        const set = newSet(20);
        const seen = [];
        set.ordered = true;
        for (let future; (future = set.next(LIMIT, null));)
            seen.push(numberOf(future));
        assertEqual(seen, range(20));
    },

    'a-set-is-a-list-model'() {
        const promises = range(3).map(() => Aiopool.Promise.new(null));
        const set = Aiopool.FutureSet.new_for(promises.map(promise => promise.get_future()));
        const changes = [];
        set.connect('items-changed', (_set, ...change) => changes.push(change));
        assertEqual(set.get_n_items(), 3);
        promises[1].resolve(new GLib.Variant('i', 1));
        assert(set.next(0, null) === promises[1].get_future(), 'another future');
        assertEqual(changes, [[1, 1, 0]]);
        assertEqual([set.n_pending, set.n_done], [2, 0]);
    },

    async 'a-wait-for-any-ends-in-time'() {
        const promise = Aiopool.Promise.new(null);
        const set = Aiopool.FutureSet.new_for([promise.get_future()]);
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT,
            set.wait_async(Aiopool.WaitMode.ANY, 0.01, null));
        set.add(submit(1));
        assert(await set.wait_async(Aiopool.WaitMode.ANY, LIMIT, null), 'none has ended');
        assertEqual(set.cancel(Aiopool.CancelMode.FORCE), 1);
        assert(set.wait(Aiopool.WaitMode.ALL, LIMIT, null), 'not all have ended');
    },

    async 'results-are-collected-in-order'() {
        const set = newSet(4);
        const results = await set.collect_all_async(LIMIT, null);
        assertEqual(results.recursiveUnpack(), [[0], [1], [2], [3]]);
        set.add(pool.submit(newTask('fail'), null));
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND,
            set.collect_all_async(LIMIT, null));
    },

    async 'batches-are-lists'() {
        const set = newSet(30);
        let nSeen = 0;
        for (let n = 1; n > 0; nSeen += n)
            n = (await set.next_batch_async(0, LIMIT, null)).get_n_items();
        assertEqual(nSeen, 30);
    },

    async 'futures-are-chained'() {
        let nCalled = 0;
        const doubled = submit(21).map(Aiopool.ChainFlags.RESULTS_ONLY, future => {
            nCalled++;
            return new GLib.Variant('(i)', [2 * numberOf(future)]);
        });
        const chained = doubled.chain(Aiopool.ChainFlags.RESULTS_ONLY,
            future => submit(numberOf(future) + 3));
        const after = pool.submit_after(newTask('echo'), chained, Aiopool.ChainFlags.CANCEL);
        assertEqual(nCalled, 0);
        assertEqual((await after.collect_async(null)).deepUnpack(), [45]);
        assertEqual(nCalled, 1);
    },

    async 'a-chain-that-fails'() {
        const failed = submit(1).chain(Aiopool.ChainFlags.NONE, () =>
            Aiopool.Future.new_for_error(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY,
                'on purpose')));
        const past = failed.map(Aiopool.ChainFlags.RESULTS_ONLY,
            () => new GLib.Variant('s', 'never'));
        const well = past.chain(Aiopool.ChainFlags.ERRORS_ONLY,
            () => Aiopool.Future.new_for_result(new GLib.Variant('s', 'well')));
        assertEqual((await well.collect_async(null)).unpack(), 'well');
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY, past.collect_async(null));
    },

    async 'what-a-chained-function-throws-is-the-error'() {
        const fail = () => {
            throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY, 'on purpose');
        };
        for (const failed of [submit(1).map(Aiopool.ChainFlags.NONE, fail),
            submit(1).chain(Aiopool.ChainFlags.NONE, fail)])
            await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY, failed.collect_async(null));
        const silent = submit(1).map(Aiopool.ChainFlags.NONE, () => null);
        await assertRejects(Aiopool.TaskError, Aiopool.TaskError.FAILED,
            silent.collect_async(null));
    },

    'what-is-removed-is-not-waited-for'() {
        const promise = Aiopool.Promise.new(null);
        const set = Aiopool.FutureSet.new_for([promise.get_future(), submit(1)]);
        assert(set.remove(promise.get_future()), 'was not there');
        assert(!set.remove(promise.get_future()), 'was still there');
        assertEqual(set.collect_all(LIMIT, null).recursiveUnpack(), [[1]]);
        assertEqual(set.next_batch(0, LIMIT, null).get_n_items(), 1);
        assertEqual(set.next(-1, null), null);
    },

    async 'one-future-is-awaited-in-several-places'() {
        const future = submit(7);
        const set = Aiopool.FutureSet.new_for([future]);
        const results = await Promise.all([future.collect_async(null), future.collect_async(null),
            set.collect_all_async(LIMIT, null)]);
        assertEqual(results.map(result => result.recursiveUnpack()), [[7], [7], [[7]]]);
    },
};

const status = await runTests(tests, LIMIT);
pool.shutdown(Aiopool.ShutdownFlags.DRAIN, null);
System.exit(status);
