// SPDX-License-Identifier: LGPL-2.1-or-later

// A pool through the bare introspected API in JavaScript: every way that a task can end.

import Aiopool from 'gi://Aiopool?version=1';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Gio from 'gi://Gio';
import System from 'system';

import {runTests} from './taptest.js';

Gio._promisify(Aiopool.Executor.prototype, 'run_async', 'run_finish');
Gio._promisify(Aiopool.Executor.prototype, 'submit_async', 'submit_finish');
Gio._promisify(Aiopool.Executor.prototype, 'shutdown_async', 'shutdown_finish');
Gio._promisify(Aiopool.Executor.prototype, 'join_async', 'join_finish');
Gio._promisify(Aiopool.Executor.prototype, 'test_async', 'test_finish');
Gio._promisify(Aiopool.Future.prototype, 'collect_async', 'collect_finish');

const PLUGIN = System.programArgs[0];

// Seconds after which a test that waits for something has failed.
const LIMIT = 60;

function newTask(func, signature = '()', values = []) {
    return Aiopool.Task.new(func, new GLib.Variant(signature, values));
}

function newPool(maxWorkers) {
    return Aiopool.Pool.new_with_launcher(maxWorkers, Aiopool.Launcher.new_for_plugins([PLUGIN]));
}

function assert(condition, text) {
    if (!condition)
        throw new Error(text);
}

function assertEqual(value, expected) {
    const [left, right] = [value, expected].map(each => JSON.stringify(each));
    assert(left === right, `${left} instead of ${right}`);
}

function assertError(error, domain, code) {
    assert(error instanceof GLib.Error && error.matches(domain, code), `wrong error: ${error}`);
    return error;
}

function assertThrows(domain, code, call) {
    try {
        call();
    } catch (error) {
        return assertError(error, domain, code);
    }
    throw new Error('did not throw');
}

async function assertRejects(domain, code, promise) {
    try {
        await promise;
    } catch (error) {
        return assertError(error, domain, code);
    }
    throw new Error('was not rejected');
}

// Until the signal is emitted; the handlers that were connected before have run then.
function emitted(object, signal) {
    return new Promise(resolve => {
        const id = object.connect(signal, (...args) => {
            object.disconnect(id);
            resolve(args);
        });
    });
}

// Doubles numbers at once, in this process; refuses everything else.
const InlineExecutor = GObject.registerClass(class InlineExecutor extends Aiopool.Executor {
    vfunc_submit(task, _cancellable) {
        if (this.isClosed)
            throw new Aiopool.PoolError({code: Aiopool.PoolError.CLOSED, message: 'closed'});
        const promise = Aiopool.Promise.new(task);
        promise.start();
        if (task.get_function() === 'double') {
            const [number] = task.get_arguments().deepUnpack();
            promise.resolve(new GLib.Variant('x', 2 * number));
        } else {
            promise.reject(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND,
                'no such function'));
        }
        return promise.get_future();
    }

    vfunc_begin_shutdown(_flags) {
        this.isClosed = true;
        const promise = Aiopool.Promise.new(null);
        promise.resolve(new GLib.Variant('()', []));
        return promise.get_future();
    }

    vfunc_get_n_pending() {
        return 3;
    }

    vfunc_get_n_running() {
        return 4;
    }
});

const ThrowingExecutor = GObject.registerClass(class ThrowingExecutor extends Aiopool.Executor {
    vfunc_submit(_task, _cancellable) {
        throw new RangeError('on purpose');
    }
});

const pool = newPool(2);

const tests = {
    'run-returns-the-value'() {
        const result = pool.run(newTask('echo', '(sx)', ['seven', 7]), null);
        assertEqual(result.deepUnpack(), ['seven', 7]);
    },

    async 'run-async-returns-the-value'() {
        const result = await pool.run_async(newTask('echo', '(s)', ['later']), null);
        assertEqual(result.deepUnpack(), ['later']);
    },

    async 'submit-async-gives-a-future'() {
        const future = await pool.submit_async(newTask('echo', '(i)', [5]), null);
        const result = await future.collect_async(null);
        assertEqual(result.deepUnpack(), [5]);
    },

    async 'an-error-crosses-with-domain-and-code'() {
        const thrown = assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND,
            () => pool.run(newTask('fail'), null));
        assertEqual(thrown.message, 'there is nothing');
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND,
            pool.run_async(newTask('fail'), null));
    },

    'an-error-has-its-info'() {
        const future = pool.submit(newTask('fail'), null);
        assert(future.wait(LIMIT), 'did not end');
        assertEqual(future.get_state(), Aiopool.FutureState.FAILED);
        assertError(future.get_error(), Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND);
        const info = future.get_error_info();
        assertEqual([info.get_type_name(), info.get_message()], ['Missing', 'there is nothing']);
        assertEqual(info.get_notes(), ['first', 'second']);
        assertEqual(info.get_cause(), null);
    },

    'an-unknown-function-fails-its-task'() {
        assertThrows(Aiopool.TaskError, Aiopool.TaskError.UNKNOWN_FUNCTION,
            () => pool.run(newTask('nonsense'), null));
    },

    async 'a-callback-cancels-by-force'() {
        const future = pool.submit(newTask('nap'), null);
        const cancelled = [];
        future.connect('progressed',
            () => cancelled.push(future.cancel(Aiopool.CancelMode.FORCE)));
        await emitted(future, 'done');
        assertEqual(cancelled, [true]);
        assertEqual(future.state, Aiopool.FutureState.CANCELLED);
        assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, () => future.get_result());
        assertEqual(future.cancel(Aiopool.CancelMode.FORCE), false);
    },

    async 'a-cancellable-cancels'() {
        const cancellable = new Gio.Cancellable();
        GLib.idle_add(GLib.PRIORITY_DEFAULT, () => cancellable.cancel());
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED,
            pool.run_async(newTask('nap'), cancellable));
    },

    async 'a-function-that-is-told-to-stop-decides'() {
        const future = pool.submit(newTask('nap'), null);
        future.connect('progressed', () => future.cancel(Aiopool.CancelMode.COOPERATIVE));
        await assertRejects(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED,
            future.collect_async(null));
    },

    'a-task-that-runs-too-long-fails'() {
        const task = newTask('nap');
        task.set_timeout(0.05);
        assertThrows(Aiopool.TaskError, Aiopool.TaskError.TIMED_OUT, () => pool.run(task, null));
    },

    async 'a-crash-costs-one-task'() {
        const error = await assertRejects(Aiopool.TaskError, Aiopool.TaskError.CRASHED,
            pool.run_async(newTask('crash'), null));
        assert(error.message.includes('signal 11'), error.message);
        assertEqual(pool.run(newTask('echo', '(i)', [1]), null).deepUnpack(), [1]);
    },

    async 'a-callback-that-throws-keeps-nobody-from-hearing'() {
        let nThrown = 0;
        const fail = () => {
            nThrown++;
            throw new RangeError('on purpose');
        };
        const future = pool.submit(newTask('echo'), null);
        // What is thrown is logged as a critical warning.
        const fatal = GLib.log_set_always_fatal(GLib.LogLevelFlags.LEVEL_ERROR);
        future.add_done_callback(fail);
        future.connect('done', fail);
        await emitted(future, 'done');
        GLib.log_set_always_fatal(fatal);
        assertEqual(nThrown, 2);
        assertEqual(pool.run(newTask('echo', '(i)', [1]), null).deepUnpack(), [1]);
    },

    async 'a-pool-is-joined-and-goes-on'() {
        assert(pool.spawn_workers(5) <= 2, 'more than may be');
        const worker = pool.dup_workers().get_item(0);
        assert(await pool.join_async(null), 'was not joined');
        assertEqual(pool.get_n_workers(), 0);
        assertEqual(worker.get_exit_code(), [true, 0]);
        assert(pool.check() && pool.test(null), 'is not well');
    },

    async 'an-initializer-that-fails-breaks-its-pool'() {
        const broken = new Aiopool.Pool({maxWorkers: 1, launcher: pool.launcher,
            initializer: newTask('fail')});
        await assertRejects(Aiopool.PoolError, Aiopool.PoolError.INITIALIZER,
            broken.test_async(null));
        assert(broken.check(), 'a test broke it');
        await assertRejects(Aiopool.PoolError, Aiopool.PoolError.INITIALIZER,
            broken.run_async(newTask('echo'), null));
        assertThrows(Aiopool.PoolError, Aiopool.PoolError.INITIALIZER, () => broken.check());
        assert(broken.isBroken, 'is not broken');
        assertEqual(broken.dup_broken_info().get_type_name(), 'Missing');
        const tasks = broken.dup_cancelled_tasks();
        assertEqual([tasks.get_n_items(), tasks.get_item(0).get_function()], [1, 'echo']);
    },

    async 'what-a-worker-logs-comes-here'() {
        const records = [];
        const future = pool.submit(newTask('warn'), null);
        future.connect('log', (_future, record) => records.push(record) > 0);
        await emitted(future, 'done');
        let id;
        const logged = new Promise(resolve => {
            id = pool.connect('log', (_pool, record) => {
                resolve(records.push(record));
                return true;
            });
        });
        pool.run(newTask('warn'), null);
        await logged;
        pool.disconnect(id);
        assertEqual(records.length, 2);
        for (const record of records) {
            assertEqual(record.get_level(), GLib.LogLevelFlags.LEVEL_WARNING);
            assertEqual([record.get_domain(), record.get_message()], ['smoke', 'mind the gap']);
            assertEqual(record.get_fields().deepUnpack(), {WIDTH: '42'});
            assertEqual([record.get_function(), record.get_tag()], ['warn', null]);
        }
        assertEqual(records[0].get_worker_pid(), future.get_worker_pid());
    },

    async 'progress-and-partial-results-come-before-the-end'() {
        const values = [];
        const messages = new Set();
        const future = pool.submit(newTask('count', '(u)', [3]), null);
        future.connect('emitted', (_future, value) => values.push(value.unpack()));
        future.connect('progressed', (_future, _fraction, message) => messages.add(message));
        await emitted(future, 'done');
        assertEqual(values, [0, 1, 2]);
        assertEqual([...messages], ['counting']);
        assertEqual([future.progress, future.message], [1, 'counting']);
        assertEqual(future.dup_message(), 'counting');
        assertEqual(future.get_result().unpack(), 3);
    },

    async 'done-callbacks-come-in-order'() {
        const called = [];
        const future = pool.submit(newTask('echo'), null);
        future.add_done_callback(() => called.push('first'));
        const removed = future.add_done_callback(() => called.push('removed'));
        future.add_done_callback(() => called.push('second'));
        const last = new Promise(resolve => future.add_done_callback(resolve));
        assert(future.remove_done_callback(removed), 'was not there');
        assert(future.wait(LIMIT), 'did not end');
        assertEqual(called, []);
        assert(await last === future, 'another future');
        assertEqual(called, ['first', 'second']);
    },

    'a-future-tells-about-its-task'() {
        const task = newTask('echo');
        const future = pool.submit(task, null);
        future.collect(LIMIT, null);
        assert(future.task === task, 'another task');
        assert(future.is_done(), 'is not done');
        assert(future.get_worker_pid() > 0, 'no process');
        assert(future.get_run_time() >= 0, 'no time');
        assert(future.get_started_at() <= future.get_finished_at(), 'ended before its start');
        assertEqual(future.get_error(), null);
        const [isThere, value] = future.get_value();
        assertEqual([isThere, value.deepUnpack()], [true, []]);
    },

    'a-result-too-early-is-pending'() {
        const future = pool.submit(newTask('nap'), null);
        assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.PENDING, () => future.get_result());
        assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT, () => future.collect(0, null));
        assert(future.cancel(Aiopool.CancelMode.FORCE), 'was not cancelled');
    },

    'bytes-keep-their-format'() {
        const payload = new GLib.Bytes(new TextEncoder().encode('{"a": 1}'));
        const task = Aiopool.Task.new_for_payload('echo-payload', payload, Aiopool.Format.JSON);
        const future = pool.submit(task, null);
        assert(future.wait(LIMIT), 'did not end');
        const [received, format] = future.get_payload();
        assertEqual(new TextDecoder().decode(received.toArray()), '{"a": 1}');
        assertEqual(format, Aiopool.Format.JSON);
        assertThrows(Aiopool.TaskError, Aiopool.TaskError.WRONG_TYPE, () => future.get_result());
    },

    'bytes-go-in-pieces'() {
        const pieces = ['[1,', '2]'].map(text => new GLib.Bytes(new TextEncoder().encode(text)));
        const task = Aiopool.Task.new_for_pieces('echo-payload', pieces, Aiopool.Format.JSON);
        const future = pool.submit(task, null);
        assert(future.wait(LIMIT), 'did not end');
        assertEqual(new TextDecoder().decode(future.get_payload()[0].toArray()), '[1,2]');
    },

    'tasks-have-something-in-common'() {
        const shared = new Aiopool.SharedData({
            bytes: new GLib.Bytes(new TextEncoder().encode('for all')),
        });
        const task = new Aiopool.Task({function: 'shared', sharedData: shared});
        const other = new Aiopool.Task({function: 'shared'});
        assertEqual(new TextDecoder().decode(shared.get_bytes().toArray()), 'for all');
        assert(task.get_shared_data() === shared, 'is another');
        assertEqual(other.sharedData, null);
        for (let i = 0; i < 3; i++) {
            assertEqual(pool.run(task, null).unpack(), 'for all');
            assertEqual(pool.run(other, null).unpack(), 'nothing');
        }
    },

    'a-task-has-properties'() {
        const task = new Aiopool.Task({
            function: 'echo', arguments: new GLib.Variant('(s)', ['p']), timeout: 2.5,
            queueTimeout: 3.5, priority: -1, retries: 2, tag: 'mine',
            keywords: new GLib.Variant('a{sv}', {k: new GLib.Variant('i', 1)}),
        });
        assertEqual([task.timeout, task.get_queue_timeout()], [2.5, 3.5]);
        assertEqual([task.priority, task.retries, task.tag], [-1, 2, 'mine']);
        assertEqual(task.function, 'echo');
        assertEqual(task.keywords.recursiveUnpack(), {k: 1});
        assertEqual(pool.run(task, null).deepUnpack(), ['p']);
    },

    'a-pool-has-properties'() {
        const launcher = Aiopool.Launcher.new_for_plugins([PLUGIN]);
        const other = new Aiopool.Pool({
            maxWorkers: 3, name: 'mine', launcher, idleTimeout: 5,
        });
        const changed = [];
        other.connect('notify::grace-period', () => changed.push(other.gracePeriod));
        other.gracePeriod = 0.5;
        assertEqual(changed, [0.5]);
        assertEqual([other.maxWorkers, other.get_name()], [3, 'mine']);
        assertEqual([other.idleTimeout, other.nPending], [5, 0]);
        assert(other.launcher === launcher, 'another launcher');
    },

    'a-launcher-has-limits-and-a-sandbox'() {
        const launcher = Aiopool.Launcher.new_for_plugins([PLUGIN]);
        launcher.maxCoreSize = 0;
        launcher.set_nice(1);
        launcher.set_scheduling_class(Aiopool.SchedulingClass.BATCH);
        launcher.sandbox = Aiopool.Sandbox.REQUIRE;
        launcher.share_path('/etc/passwd', false);
        assertEqual([launcher.get_max_core_size(), launcher.nice], [0, 1]);
        assertEqual(launcher.schedulingClass, Aiopool.SchedulingClass.BATCH);
        const other = Aiopool.Pool.new_with_launcher(1, launcher);
        if (launcher.get_sandbox_kind() === Aiopool.SandboxKind.NONE) {
            assertThrows(Aiopool.PoolError, Aiopool.PoolError.SANDBOX,
                () => other.run(newTask('echo'), null));
        } else {
            assertEqual(other.run(newTask('echo', '(i)', [7]), null).deepUnpack(), [7]);
        }
    },

    async 'the-workers-are-a-list-model'() {
        const other = newPool(1);
        const changed = emitted(other.get_workers(), 'items-changed');
        const future = other.submit(newTask('echo'), null);
        await changed;
        assertEqual(future.collect(LIMIT, null).deepUnpack(), []);
        assert(other.workers.get_item_type() === Aiopool.Worker.$gtype, 'not of workers');
        assertEqual(other.workers.get_n_items(), 1);
        const worker = other.workers.get_item(0);
        assertEqual([worker.id, worker.get_pid()], [1, future.get_worker_pid()]);
        assert([Aiopool.WorkerState.IDLE, Aiopool.WorkerState.BUSY].includes(worker.state),
            `state ${worker.state}`);
    },

    async 'a-pool-tells-what-it-has-done'() {
        const other = newPool(1);
        const told = new Promise(resolve => {
            other.connect('notify::n-done', () => {
                if (other.n_done === 20)
                    resolve();
            });
        });
        for (let i = 0; i < 20; i++)
            other.submit(newTask('echo', '(i)', [i]), null);
        await told;
        const stats = other.stats;
        assertEqual([stats.n_done, stats.get_n_failed(), stats.n_pending], [20, 0, 0]);
        assert(stats.run_time_median <= stats.run_time_p99, 'a median is more than 99 percent');
        assert(other.tasks_per_second > 0 && other.get_utilization() <= 1, 'no rate');
        other.reset_stats();
        assertEqual(other.dup_stats().n_done, 0);
    },

    'a-trace-begins-and-ends'() {
        const [file] = Gio.File.new_tmp(null);
        Aiopool.trace_start(file.get_path());
        pool.run(newTask('echo'), null);
        Aiopool.trace_stop();
        const [, bytes] = file.load_contents(null);
        const {traceEvents} = JSON.parse(new TextDecoder().decode(bytes));
        assertEqual(traceEvents.filter(each => each.cat === 'task').map(each => each.name),
            ['echo']);
        file.delete(null);
    },

    async 'shutdown-async-finishes-the-tasks'() {
        const other = newPool(1);
        const numbers = [0, 1, 2, 3, 4];
        const futures = numbers.map(i => other.submit(newTask('echo', '(i)', [i]), null));
        assert(await other.shutdown_async(Aiopool.ShutdownFlags.DRAIN, null), 'no end');
        assertEqual(futures.map(each => each.get_result().deepUnpack()[0]), numbers);
        assertThrows(Aiopool.PoolError, Aiopool.PoolError.CLOSED,
            () => other.run(newTask('echo'), null));
    },

    'a-promise-makes-a-future'() {
        const promise = Aiopool.Promise.new(null);
        const future = promise.get_future();
        assert(promise.start(), 'was started already');
        assertEqual(future.get_state(), Aiopool.FutureState.RUNNING);
        promise.set_progress(0.5, 'half');
        assertEqual(future.get_progress(), 0.5);
        assert(promise.resolve_value('text'), 'was kept already');
        assertEqual(promise.resolve(new GLib.Variant('s', 'late')), false);
        assertEqual(future.get_value(), [true, 'text']);
    },

    async 'a-subclass-is-an-executor'() {
        const executor = new InlineExecutor();
        assertEqual(executor.run(newTask('double', '(x)', [21]), null).unpack(), 42);
        assertThrows(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND,
            () => executor.run(newTask('other'), null));
        assertEqual([executor.nPending, executor.get_n_running()], [3, 4]);
        const result = await executor.run_async(newTask('double', '(x)', [4]), null);
        assertEqual(result.unpack(), 8);
        assert(executor.shutdown(Aiopool.ShutdownFlags.DRAIN, null), 'no end');
        assertThrows(Aiopool.PoolError, Aiopool.PoolError.CLOSED,
            () => executor.run(newTask('double', '(x)', [1]), null));
    },

    'a-subclass-that-throws-fails-the-task'() {
        const executor = new ThrowingExecutor();
        try {
            executor.run(newTask('any'), null);
            assert(false, 'did not throw');
        } catch (error) {
            assert(error instanceof RangeError, `wrong error: ${error}`);
        }
        assertThrows(Aiopool.TaskError, Aiopool.TaskError.NOT_SUPPORTED,
            () => executor.shutdown(Aiopool.ShutdownFlags.DRAIN, null));
    },
};

const status = await runTests(tests, LIMIT);
pool.shutdown(Aiopool.ShutdownFlags.DRAIN, null);
System.exit(status);
