// SPDX-License-Identifier: LGPL-2.1-or-later

// A pool through the generated VAPI in Vala: every way that a task can end.

// Seconds after which a test that waits for something has failed.
const double LIMIT = 60;

string c_plugin;
string vala_plugin;
Aiopool.Pool pool;

Aiopool.Task new_task (string function, Variant? arguments = null) {
    return new Aiopool.Task (function, arguments);
}

Aiopool.Pool new_pool_for (uint max_workers, string plugin) {
    return new Aiopool.Pool.with_launcher (max_workers,
                                           new Aiopool.Launcher.for_plugins ({ plugin }));
}

Aiopool.Pool new_pool (uint max_workers) {
    return new_pool_for (max_workers, c_plugin);
}

Variant? try_run (Aiopool.Executor executor, Aiopool.Task task, out Error? error = null) {
    error = null;
    try {
        return executor.run (task);
    } catch (Error caught) {
        error = caught;
        return null;
    }
}

// Iterates the default main context until it has been ended.
class Loop : Object {
    private MainLoop loop = new MainLoop ();

    public void end () {
        loop.quit ();
    }

    public void run () {
        var watch = Timeout.add_seconds ((uint) LIMIT, () => {
            error ("nothing happened in %g seconds", LIMIT);
        });
        loop.run ();
        Source.remove (watch);
    }
}

// Doubles numbers at once, in this process; refuses everything else.
class InlineExecutor : Aiopool.Executor {
    private bool is_closed;

    public override Aiopool.Future submit (Aiopool.Task task, Cancellable? cancellable = null)
        throws Error {
        if (is_closed)
            throw new Aiopool.PoolError.CLOSED ("closed");
        var promise = new Aiopool.Promise (task);
        promise.start ();
        if (task.get_function () == "double") {
            int64 number;
            task.get_arguments ().get ("(x)", out number);
            promise.resolve (new Variant.int64 (2 * number));
        } else {
            promise.reject (new IOError.NOT_FOUND ("no such function"));
        }
        return promise.get_future ();
    }

    public override Aiopool.Future? begin_shutdown (Aiopool.ShutdownFlags flags) {
        is_closed = true;
        var promise = new Aiopool.Promise (null);
        promise.resolve (new Variant ("()"));
        return promise.get_future ();
    }

    public override uint get_n_pending () {
        return 3;
    }

    public override uint get_n_running () {
        return 4;
    }
}

void test_run () throws Error {
    Error? error;
    var result = try_run (pool, new_task ("echo", new Variant ("(si)", "seven", 7)), out error);

    assert_no_error (error);
    assert_true (result.print (false) == "('seven', 7)");
}

async void run_later (Loop loop) {
    try {
        var result = yield pool.run_async (new_task ("echo", new Variant ("(s)", "later")));
        assert_true (result.print (false) == "('later',)");
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.end ();
}

void test_run_async () throws Error {
    var loop = new Loop ();

    run_later.begin (loop);
    loop.run ();
}

async void submit_later (Loop loop) {
    try {
        var future = yield pool.submit_async (new_task ("echo", new Variant ("(i)", 5)));
        var result = yield future.collect_async ();
        assert_true (result.print (false) == "(5,)");
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.end ();
}

void test_submit_async () throws Error {
    var loop = new Loop ();

    submit_later.begin (loop);
    loop.run ();
}

void test_error () throws Error {
    try {
        pool.run (new_task ("fail"));
        assert_not_reached ();
    } catch (IOError.NOT_FOUND error) {
        assert_cmpstr (error.message, CompareOperator.EQ, "there is nothing");
    } catch (Error error) {
        assert_no_error (error);
    }
}

void test_error_info () throws Error {
    var future = pool.submit (new_task ("fail"));

    assert_true (future.wait (LIMIT));
    assert_true (future.get_state () == Aiopool.FutureState.FAILED);
    assert_true (future.get_error () is IOError.NOT_FOUND);
    var info = future.get_error_info ();
    assert_cmpstr (info.get_type_name (), CompareOperator.EQ, "Missing");
    assert_cmpstr (string.joinv (" ", info.get_notes ()), CompareOperator.EQ, "first second");
    assert_null (info.get_cause ());
}

void test_unknown_function () throws Error {
    try {
        pool.run (new_task ("nonsense"));
        assert_not_reached ();
    } catch (Aiopool.TaskError.UNKNOWN_FUNCTION error) {
    } catch (Error error) {
        assert_no_error (error);
    }
}

void test_cancel_force () throws Error {
    var loop = new Loop ();
    var future = pool.submit (new_task ("nap"));
    var n_cancelled = 0;

    future.progressed.connect ((fraction, message) => {
        if (future.cancel (Aiopool.CancelMode.FORCE))
            n_cancelled++;
    });
    future.done.connect (() => loop.end ());
    loop.run ();
    assert_cmpint (n_cancelled, CompareOperator.EQ, 1);
    assert_true (future.state == Aiopool.FutureState.CANCELLED);
    assert_true (future.get_error () is IOError.CANCELLED);
    assert_false (future.cancel (Aiopool.CancelMode.FORCE));
}

async void run_and_be_cancelled (Loop loop, Cancellable cancellable) {
    try {
        yield pool.run_async (new_task ("nap"), cancellable);
        assert_not_reached ();
    } catch (IOError.CANCELLED error) {
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.end ();
}

void test_cancellable () throws Error {
    var loop = new Loop ();
    var cancellable = new Cancellable ();

    run_and_be_cancelled.begin (loop, cancellable);
    Idle.add (() => {
        cancellable.cancel ();
        return Source.REMOVE;
    });
    loop.run ();
}

void test_cancel_cooperative () throws Error {
    var loop = new Loop ();
    var future = pool.submit (new_task ("nap"));

    future.progressed.connect (() => future.cancel (Aiopool.CancelMode.COOPERATIVE));
    future.done.connect (() => loop.end ());
    loop.run ();
    assert_true (future.get_error () is IOError.CANCELLED);
}

void test_timeout () throws Error {
    var task = new_task ("nap");
    Error? error;

    task.timeout = 0.05;
    assert_null (try_run (pool, task, out error));
    assert_true (error is Aiopool.TaskError.TIMED_OUT);
}

void test_crash () throws Error {
    Error? error;

    assert_null (try_run (pool, new_task ("crash"), out error));
    assert_true (error is Aiopool.TaskError.CRASHED);
    assert_true (error.message.contains ("signal 11"));
    assert_nonnull (try_run (pool, new_task ("echo")));
}

async void join_later (Loop loop) {
    try {
        assert_true (yield pool.join_async ());
        assert_true (yield pool.test_async ());
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.end ();
}

void test_join () throws Error {
    var loop = new Loop ();

    assert_true (pool.spawn_workers (5) <= 2);
    var worker = (Aiopool.Worker) pool.dup_workers ().get_item (0);
    assert_true (pool.join ());
    assert_cmpuint (pool.get_n_workers (), CompareOperator.EQ, 0);
    int exit_code;
    assert_true (worker.get_exit_code (out exit_code));
    assert_cmpint (exit_code, CompareOperator.EQ, 0);
    assert_true (pool.check ());
    join_later.begin (loop);
    loop.run ();
}

void test_broken () throws Error {
    var broken = (Aiopool.Pool) Object.new (typeof (Aiopool.Pool), "max-workers", 1, "launcher",
                                            pool.launcher, "initializer", new_task ("fail"));
    Error? error;

    assert_null (try_run (broken, new_task ("echo"), out error));
    assert_true (error is Aiopool.PoolError.INITIALIZER);
    try {
        broken.check ();
        assert_not_reached ();
    } catch (Aiopool.PoolError.INITIALIZER caught) {
    }
    assert_true (broken.is_broken);
    assert_cmpstr (broken.dup_broken_info ().get_type_name (), CompareOperator.EQ, "Missing");
    assert_cmpuint (broken.dup_cancelled_tasks ().get_n_items (), CompareOperator.EQ, 1);
}

void test_progress () throws Error {
    var loop = new Loop ();
    var future = pool.submit (new_task ("count", new Variant ("(u)", 3)));
    var values = "";
    var messages = new GenericSet<string> (str_hash, str_equal);

    future.emitted.connect ((value) => values += value.print (false));
    future.progressed.connect ((fraction, message) => messages.add (message));
    future.done.connect (() => loop.end ());
    loop.run ();
    assert_cmpstr (values, CompareOperator.EQ, "012");
    assert_true (messages.length == 1 && messages.contains ("counting"));
    assert_true (future.progress == 1 && future.message == "counting");
    assert_true (future.get_result ().get_uint32 () == 3);
}

void check_record (Aiopool.LogRecord record) {
    assert_true (record.get_level () == LogLevelFlags.LEVEL_WARNING);
    assert_cmpstr (record.get_domain (), CompareOperator.EQ, "smoke");
    assert_cmpstr (record.get_message (), CompareOperator.EQ, "mind the gap");
    assert_cmpstr (record.get_fields ().print (false), CompareOperator.EQ, "{'WIDTH': '42'}");
    assert_cmpstr (record.get_function (), CompareOperator.EQ, "warn");
    assert_null (record.get_tag ());
    assert_true (record.get_worker_pid () > 0);
}

void test_log () throws Error {
    var loop = new Loop ();
    var future = pool.submit (new_task ("warn"));

    future.log.connect ((record) => {
        check_record (record);
        loop.end ();
        return true;
    });
    loop.run ();
    var id = pool.log.connect ((record) => {
        check_record (record);
        loop.end ();
        return true;
    });
    pool.run (new_task ("warn"));
    loop.run ();
    pool.disconnect (id);
}

void test_done_callbacks () throws Error {
    var loop = new Loop ();
    var future = pool.submit (new_task ("echo"));
    var called = "";

    future.add_done_callback (() => called += "first ");
    var removed = future.add_done_callback (() => called += "removed ");
    future.add_done_callback (() => called += "second ");
    future.add_done_callback ((ended) => {
        assert_true (ended == future);
        loop.end ();
    });
    assert_true (future.remove_done_callback (removed));
    assert_true (future.wait (LIMIT));
    assert_cmpstr (called, CompareOperator.EQ, "");
    loop.run ();
    assert_cmpstr (called, CompareOperator.EQ, "first second ");
}

void test_future () throws Error {
    var task = new_task ("echo");
    var future = pool.submit (task);
    Value value;

    future.collect (LIMIT);
    assert_true (future.task == task);
    assert_true (future.is_done ());
    assert_true (future.get_worker_pid () > 0);
    assert_true (future.get_started_at () <= future.get_finished_at ());
    assert_true (future.get_error () == null);
    assert_true (future.get_value (out value));
    assert_true (value.holds (typeof (Variant)));
}

void test_pending () throws Error {
    var future = pool.submit (new_task ("nap"));

    try {
        future.get_result ();
        assert_not_reached ();
    } catch (IOError.PENDING error) {
    }
    try {
        future.collect (0);
        assert_not_reached ();
    } catch (IOError.TIMED_OUT error) {
    }
    assert_true (future.cancel (Aiopool.CancelMode.FORCE));
}

void test_shared () throws Error {
    var shared = new Aiopool.SharedData (new Bytes ("for all".data));
    var task = new Aiopool.Task ("shared", null) { shared_data = shared };
    var other = new Aiopool.Task ("shared", null);

    assert_true (shared.bytes.compare (new Bytes ("for all".data)) == 0);
    assert_true (task.get_shared_data () == shared);
    assert_null (other.shared_data);
    for (int i = 0; i < 3; i++) {
        assert_cmpstr (pool.run (task).get_string (), CompareOperator.EQ, "for all");
        assert_cmpstr (pool.run (other).get_string (), CompareOperator.EQ, "nothing");
    }
}

void test_bytes () throws Error {
    var payload = new Bytes ("{\"a\": 1}".data);
    var task = new Aiopool.Task.for_payload ("echo-payload", payload, Aiopool.Format.JSON);
    var future = pool.submit (task);
    Aiopool.Format format;

    assert_true (future.wait (LIMIT));
    assert_true (future.get_payload (out format).compare (payload) == 0);
    assert_true (format == Aiopool.Format.JSON);
    try {
        future.get_result ();
        assert_not_reached ();
    } catch (Aiopool.TaskError.WRONG_TYPE error) {
    }
}

void test_pieces () throws Error {
    Bytes[] pieces = { new Bytes ("[1,".data), new Bytes ("2]".data) };
    var task = new Aiopool.Task.for_pieces ("echo-payload", pieces, Aiopool.Format.JSON);
    var future = pool.submit (task);

    assert_true (future.wait (LIMIT));
    assert_true (future.get_payload (null).compare (new Bytes ("[1,2]".data)) == 0);
}

void test_task_properties () throws Error {
    var task = new_task ("echo");

    task.timeout = 2.5;
    task.priority = -1;
    task.tag = "mine";
    assert_true (task.get_timeout () == 2.5);
    assert_true (task.get_priority () == -1);
    assert_cmpstr (task.get_tag (), CompareOperator.EQ, "mine");
    assert_cmpstr (task.function, CompareOperator.EQ, "echo");
}

void test_pool_properties () throws Error {
    var other = new_pool (3);
    var n_changes = 0;

    other.notify["grace-period"].connect (() => n_changes++);
    other.grace_period = 0.5;
    assert_cmpint (n_changes, CompareOperator.EQ, 1);
    assert_true (other.grace_period == 0.5);
    assert_true (other.max_workers == 3);
    assert_true (other.n_pending == 0);
}

void test_workers () throws Error {
    var loop = new Loop ();
    var other = new_pool (1);

    other.workers.items_changed.connect (() => loop.end ());
    var future = other.submit (new_task ("echo"));
    loop.run ();
    future.collect (LIMIT);
    assert_true (other.workers.get_item_type () == typeof (Aiopool.Worker));
    assert_true (other.workers.get_n_items () == 1);
    var worker = (Aiopool.Worker) other.workers.get_item (0);
    assert_true (worker.id == 1);
    assert_true (worker.pid == future.get_worker_pid ());
    assert_true (worker.state == Aiopool.WorkerState.IDLE ||
                 worker.state == Aiopool.WorkerState.BUSY);
}

void test_stats () throws Error {
    var loop = new Loop ();
    var other = new_pool (1);

    other.notify["n-done"].connect (() => {
        if (other.n_done == 20)
            loop.end ();
    });
    for (var i = 0; i < 20; i++)
        other.submit (new_task ("echo", new Variant ("(i)", i)));
    loop.run ();
    var stats = other.dup_stats ();
    assert_true (stats.n_done == 20 && stats.n_failed == 0 && stats.n_pending == 0);
    assert_true (stats.run_time_median <= stats.run_time_p99);
    assert_true (other.tasks_per_second > 0 && other.utilization <= 1);
    other.reset_stats ();
    assert_true (other.stats.n_done == 0);
}

void test_trace () throws Error {
    FileIOStream stream;
    var file = File.new_tmp (null, out stream);
    uint8[] text;

    Aiopool.trace_start (file.get_path ());
    pool.run (new_task ("echo"));
    Aiopool.trace_stop ();
    file.load_contents (null, out text, null);
    assert_true (((string) text).contains ("\"name\":\"echo\",\"cat\":\"task\""));
    file.delete ();
}

async void shut_down (Loop loop, Aiopool.Executor executor) {
    try {
        assert_true (yield executor.shutdown_async (Aiopool.ShutdownFlags.DRAIN));
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.end ();
}

void test_shutdown () throws Error {
    var loop = new Loop ();
    var other = new_pool (1);
    var future = other.submit (new_task ("echo", new Variant ("(i)", 5)));
    Error? error;

    shut_down.begin (loop, other);
    loop.run ();
    assert_true (future.get_result ().print (false) == "(5,)");
    assert_null (try_run (other, new_task ("echo"), out error));
    assert_true (error is Aiopool.PoolError.CLOSED);
}

void test_promise () throws Error {
    var promise = new Aiopool.Promise (null);
    var future = promise.get_future ();
    Value value;

    assert_true (promise.start ());
    assert_true (future.state == Aiopool.FutureState.RUNNING);
    promise.set_progress (0.5, "half");
    assert_true (future.progress == 0.5);
    assert_true (promise.resolve_value ("text"));
    assert_false (promise.resolve (new Variant ("s", "late")));
    assert_true (future.get_value (out value));
    assert_cmpstr (value.get_string (), CompareOperator.EQ, "text");
}

void test_subclass () throws Error {
    var executor = new InlineExecutor ();
    var task = new_task ("double", new Variant ("(x)", (int64) 21));
    Error? error;

    assert_true (executor.run (task).get_int64 () == 42);
    assert_null (try_run (executor, new_task ("other"), out error));
    assert_true (error is IOError.NOT_FOUND);
    assert_true (executor.n_pending == 3 && executor.n_running == 4);
    assert_true (executor.shutdown (Aiopool.ShutdownFlags.DRAIN));
    assert_null (try_run (executor, task, out error));
    assert_true (error is Aiopool.PoolError.CLOSED);
}

void test_vala_plugin () throws Error {
    var other = new_pool_for (1, vala_plugin);
    Error? error;

    var result = try_run (other, new_task ("shout", new Variant ("(s)", "low")), out error);
    assert_no_error (error);
    assert_true (result.print (false) == "'LOW'");
    assert_null (try_run (other, new_task ("shout", new Variant ("(s)", "")), out error));
    assert_true (error is IOError.INVALID_ARGUMENT);
}

void test_launcher () throws Error {
    var launcher = new Aiopool.Launcher.for_plugins ({ c_plugin });
    launcher.max_core_size = 0;
    launcher.nice = 1;
    launcher.scheduling_class = Aiopool.SchedulingClass.BATCH;
    launcher.sandbox = Aiopool.Sandbox.REQUIRE;
    launcher.share_path ("/etc/passwd", false);
    assert_cmpint (launcher.get_nice (), CompareOperator.EQ, 1);
    assert_true (launcher.get_max_core_size () == 0);
    assert_true (launcher.get_scheduling_class () == Aiopool.SchedulingClass.BATCH);

    var other = new Aiopool.Pool.with_launcher (1, launcher);
    Error? error;
    var result = try_run (other, new_task ("echo", new Variant ("(i)", 7)), out error);
    if (launcher.get_sandbox_kind () == Aiopool.SandboxKind.NONE)
        assert_true (error is Aiopool.PoolError.SANDBOX);
    else
        assert_true (result.equal (new Variant ("(i)", 7)));
}

delegate void Claim () throws Error;

void add_test (string name, owned Claim test) {
    Test.add_data_func ("/vala/" + name, () => {
        try {
            test ();
        } catch (Error error) {
            assert_no_error (error);
        }
    });
}

int main (string[] args) {
    Test.init (ref args);
    c_plugin = args[1];
    vala_plugin = args[2];
    pool = new_pool (2);

    add_test ("run-returns-the-value", test_run);
    add_test ("run-async-returns-the-value", test_run_async);
    add_test ("submit-async-gives-a-future", test_submit_async);
    add_test ("an-error-crosses-with-domain-and-code", test_error);
    add_test ("an-error-has-its-info", test_error_info);
    add_test ("an-unknown-function-fails-its-task", test_unknown_function);
    add_test ("a-callback-cancels-by-force", test_cancel_force);
    add_test ("a-cancellable-cancels", test_cancellable);
    add_test ("a-function-that-is-told-to-stop-decides", test_cancel_cooperative);
    add_test ("a-task-that-runs-too-long-fails", test_timeout);
    add_test ("a-crash-costs-one-task", test_crash);
    add_test ("a-pool-is-joined-and-goes-on", test_join);
    add_test ("an-initializer-that-fails-breaks-its-pool", test_broken);
    add_test ("progress-and-partial-results-come-before-the-end", test_progress);
    add_test ("what-a-worker-logs-comes-here", test_log);
    add_test ("done-callbacks-come-in-order", test_done_callbacks);
    add_test ("a-future-tells-about-its-task", test_future);
    add_test ("a-result-too-early-is-pending", test_pending);
    add_test ("bytes-keep-their-format", test_bytes);
    add_test ("bytes-go-in-pieces", test_pieces);
    add_test ("tasks-have-something-in-common", test_shared);
    add_test ("a-task-has-properties", test_task_properties);
    add_test ("a-pool-has-properties", test_pool_properties);
    add_test ("a-launcher-has-limits-and-a-sandbox", test_launcher);
    add_test ("the-workers-are-a-list-model", test_workers);
    add_test ("a-pool-tells-what-it-has-done", test_stats);
    add_test ("a-trace-begins-and-ends", test_trace);
    add_test ("shutdown-async-finishes-the-tasks", test_shutdown);
    add_test ("a-promise-makes-a-future", test_promise);
    add_test ("a-subclass-is-an-executor", test_subclass);
    add_test ("a-plug-in-in-vala-serves", test_vala_plugin);

    var status = Test.run ();
    pool = null;
    return status;
}
