// SPDX-License-Identifier: LGPL-2.1-or-later

// Batches through the bare introspected API in JavaScript.

import Aiopool from 'gi://Aiopool?version=1';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Gio from 'gi://Gio';
import System from 'system';

import {runTests} from './taptest.js';

Gio._promisify(Aiopool.Batch.prototype, 'next_async', 'next_finish');
Gio._promisify(Aiopool.Batch.prototype, 'next_batch_async', 'next_batch_finish');
Gio._promisify(Aiopool.Batch.prototype, 'collect_all_async', 'collect_all_finish');
Gio._promisify(Aiopool.Batch.prototype, 'wait_async', 'wait_finish');

const PLUGIN = System.programArgs[0];

// Seconds after which a test that waits for something has failed.
const LIMIT = 60;
const N_ITEMS = 30;

const pool = Aiopool.Pool.new_with_launcher(2, Aiopool.Launcher.new_for_plugins([PLUGIN]));
const numbers = [...Array(N_ITEMS).keys()];

function assertEqual(value, expected) {
    const [left, right] = [value, expected].map(each => JSON.stringify(each));
    if (left !== right)
        throw new Error(`${left} instead of ${right}`);
}

function newBatch(source) {
    return Aiopool.Batch.new(pool, Aiopool.Task.new('echo', null), source);
}

function map(items = numbers) {
    return pool.map(Aiopool.Task.new('echo', null), new GLib.Variant('ai', items));
}

async function drain(batch) {
    const results = [];

    for (;;) {
        const future = await batch.next_async(null);
        if (future === null)
            return results;
        assertEqual(future.get_position(), results.length);
        results.push(future.get_result().recursiveUnpack()[0]);
    }
}

const Entry = GObject.registerClass(class Entry extends GObject.Object {
    _init(number) {
        super._init();
        this.number = number;
    }
});

/* Of the error that a promise is rejected with. */
async function codeOf(promise) {
    try {
        await promise;
    } catch (error) {
        return error.code;
    }
    return null;
}

const tests = {
    async 'next-async-gives-one-after-the-other'() {
        assertEqual(await drain(map()), numbers);
    },

    async 'chunks-are-of-any-size'() {
        for (const size of [0, 1, 7]) {
            const batch = map();
            batch.chunk_size = size;
            assertEqual(await drain(batch), numbers);
        }
    },

    async 'collect-all-gives-an-array'() {
        const results = await map().collect_all_async(null);
        assertEqual(results.recursiveUnpack().map(([number]) => number), numbers);
        assertEqual((await map([]).collect_all_async(null)).recursiveUnpack(), []);
    },

    'blocking-reads-need-no-loop'() {
        const batch = map();
        const results = [];
        let future;
        while ((future = batch.next(LIMIT, null)) !== null)
            results.push(future.get_result().recursiveUnpack()[0]);
        assertEqual(results, numbers);
    },

    async 'a-generator-is-a-source'() {
        const items = numbers.values();
        const source = Aiopool.Source.new_for_callback(self => {
            const {done, value} = items.next();
            if (!done)
                return new GLib.Variant('i', value);
            self.end();
            return null;
        });
        assertEqual(await drain(newBatch(source)), numbers);
    },

    async 'an-asynchronous-generator-pushes'() {
        async function* generate() {
            for (const number of numbers) {
                await new Promise(resolve =>
                    GLib.idle_add(GLib.PRIORITY_DEFAULT, () => resolve() ?? GLib.SOURCE_REMOVE));
                yield number;
            }
        }

        const items = generate();
        let chain = Promise.resolve();
        async function push(source, nItems) {
            for (let i = 0; i < nItems; i++) {
                const {done, value} = await items.next();
                if (done || !source.push(new GLib.Variant('i', value))) {
                    source.end();
                    return;
                }
            }
        }
        const source = Aiopool.Source.new_pushed((self, nItems) => {
            chain = chain.then(() => push(self, nItems));
        });
        assertEqual(await drain(newBatch(source)), numbers);
    },

    async 'a-list-is-a-source'() {
        const store = Gio.ListStore.new(Entry.$gtype);
        numbers.forEach(number => store.append(new Entry(number)));
        const source = Aiopool.Source.new_for_list(store,
            entry => new GLib.Variant('i', entry.number));
        assertEqual(await drain(newBatch(source)), numbers);
    },

    async 'tasks-in-a-list-are-a-source'() {
        const store = Gio.ListStore.new(Aiopool.Task.$gtype);
        numbers.forEach(number =>
            store.append(Aiopool.Task.new('echo', new GLib.Variant('(i)', [number]))));
        const source = Aiopool.Source.new_for_list(store, null);
        assertEqual(await drain(Aiopool.Batch.new(pool, null, source)), numbers);
    },

    async 'tuples-are-arguments'() {
        const items = new GLib.Variant('a(si)', [['a', 1], ['b', 2]]);
        const batch = pool.starmap(Aiopool.Task.new('echo', null), items);
        assertEqual(batch.collect_all(LIMIT, null).recursiveUnpack(), [['a', 1], ['b', 2]]);
    },

    async 'items-and-tasks-are-pushed-before-an-error'() {
        const source = Aiopool.Source.new_pushed(null);
        assertEqual(source.push(new GLib.Variant('i', 1)), true);
        assertEqual(source.push_task(Aiopool.Task.new('fail', null)), true);
        source.fail(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY, 'on purpose'));
        const batch = newBatch(source);
        assertEqual((await batch.next_async(null)).get_result().recursiveUnpack(), [1]);
        const failed = await batch.next_async(null);
        assertEqual(failed.get_error().matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND), true);
        assertEqual(await codeOf(batch.next_async(null)), Gio.IOErrorEnum.BUSY);
        assertEqual(batch.dup_error().message, 'on purpose');
    },

    async 'what-a-function-throws-ends-the-batch'() {
        let n = 0;
        const source = Aiopool.Source.new_for_callback(() => {
            if (n < 3)
                return new GLib.Variant('i', n++);
            throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.BUSY, 'on purpose');
        });
        const batch = newBatch(source);
        for (let i = 0; i < 3; i++)
            assertEqual((await batch.next_async(null)).get_position(), i);
        assertEqual(await codeOf(batch.next_async(null)), Gio.IOErrorEnum.BUSY);
    },

    async 'a-batch-is-cancelled'() {
        const batch = map();
        assertEqual(batch.cancel(Aiopool.CancelMode.FORCE), true);
        assertEqual(await codeOf(batch.collect_all_async(null)), Gio.IOErrorEnum.CANCELLED);
        assertEqual(batch.state, Aiopool.FutureState.CANCELLED);
    },

    async 'a-batch-is-a-list'() {
        const batch = map();
        let nAdded = 0;
        batch.connect('items-changed', (self, position, nRemoved, added) => (nAdded += added));
        assertEqual(batch.get_n_items(), 0);
        await batch.wait_async(null);
        await new Promise(resolve =>
            GLib.timeout_add(GLib.PRIORITY_DEFAULT, 1, () => {
                if (batch.get_n_items() < N_ITEMS)
                    return GLib.SOURCE_CONTINUE;
                resolve();
                return GLib.SOURCE_REMOVE;
            }));
        assertEqual(nAdded, N_ITEMS);
        assertEqual(batch.get_item(7).get_result().recursiveUnpack(), [7]);
        assertEqual(batch.get_item(7) === batch.get_item(7), true);
    },

    async 'several-are-read-at-once'() {
        const list = await map().next_batch_async(N_ITEMS, 0, LIMIT, null);
        assertEqual(list.get_n_items(), N_ITEMS);
    },
};

const status = await runTests(tests, LIMIT);
pool.shutdown(Aiopool.ShutdownFlags.DRAIN, null);
System.exit(status);
