// SPDX-License-Identifier: LGPL-2.1-or-later

// Futures together, and one after the other, through the generated VAPI in Vala.

// Seconds after which a test that waits for something has failed.
const double LIMIT = 60;

Aiopool.Pool pool;

Aiopool.Future submit (int number) throws Error {
    return pool.submit (new Aiopool.Task ("echo", new Variant ("(i)", number)));
}

Aiopool.FutureSet new_set (int n) throws Error {
    Aiopool.Future[] futures = {};
    for (var i = 0; i < n; i++)
        futures += submit (i);
    return new Aiopool.FutureSet.for (futures);
}

int number_of (Aiopool.Future future) throws Error {
    int number;
    future.get_result ().get ("(i)", out number);
    return number;
}

void iterate_until_done (Aiopool.Future future) {
    while (!future.is_done ())
        MainContext.default ().iteration (true);
}

void test_drain () throws Error {
    var futures = new_set (5);
    var seen = new bool[10];
    var n_seen = 0;
    Aiopool.Future? future;
    while ((future = futures.next (LIMIT)) != null) {
        assert_false (seen[number_of (future)]);
        seen[number_of (future)] = true;
        if (n_seen < 5)
            assert_true (futures.add (submit (n_seen + 5)));
        n_seen++;
    }
    assert_cmpint (n_seen, CompareOperator.EQ, 10);
    assert_null (futures.next (-1));
}

async void drain_later (MainLoop loop, Aiopool.FutureSet futures) {
    try {
        var number = 0;
        Aiopool.Future? future;
        while ((future = yield futures.next_async (LIMIT)) != null)
            assert_cmpint (number_of (future), CompareOperator.EQ, number++);
        assert_cmpint (number, CompareOperator.EQ, 20);
        var rest = yield futures.next_batch_async (0, LIMIT);
        assert_cmpuint (rest.get_n_items (), CompareOperator.EQ, 0);
        assert_true (yield futures.wait_async (Aiopool.WaitMode.ALL, LIMIT));
        var results = yield futures.collect_all_async (LIMIT);
        assert_true (results.n_children () == 0);
    } catch (Error error) {
        assert_no_error (error);
    }
    loop.quit ();
}

void test_drain_async () throws Error {
    var futures = new_set (20);
    futures.ordered = true;
    var loop = new MainLoop ();
    drain_later.begin (loop, futures);
    loop.run ();
}

void test_wait () throws Error {
    var promise = new Aiopool.Promise (null);
    var futures = new Aiopool.FutureSet ();
    assert_true (futures.add (promise.get_future ()));
    try {
        futures.wait (Aiopool.WaitMode.ANY, 0.01);
        assert_not_reached ();
    } catch (IOError.TIMED_OUT error) {
        assert_cmpuint (futures.n_pending, CompareOperator.EQ, 1);
    }
    futures.add (submit (1));
    assert_true (futures.wait (Aiopool.WaitMode.ANY, LIMIT));
    assert_cmpuint (futures.n_done, CompareOperator.EQ, 1);
    assert_cmpuint (futures.cancel (Aiopool.CancelMode.FORCE), CompareOperator.EQ, 1);
    assert_true (futures.wait (Aiopool.WaitMode.ALL, LIMIT));
    assert_cmpuint (futures.get_n_items (), CompareOperator.EQ, 2);
}

void test_collect () throws Error {
    var futures = new_set (3);
    var results = futures.collect_all (LIMIT);
    assert_true (results.print (false) == "[<(0,)>, <(1,)>, <(2,)>]");
    futures.add (pool.submit (new Aiopool.Task ("fail", null)));
    try {
        futures.collect_all (LIMIT);
        assert_not_reached ();
    } catch (IOError.NOT_FOUND error) {
        assert_true (error.message == "there is nothing");
    }
}

void test_remove () throws Error {
    var promise = new Aiopool.Promise (null);
    var futures = new_set (1);
    assert_true (futures.add (promise.get_future ()));
    assert_true (futures.remove (promise.get_future ()));
    assert_false (futures.remove (promise.get_future ()));
    assert_cmpuint (futures.next_batch (0, LIMIT).get_n_items (), CompareOperator.EQ, 1);
    assert_null (futures.next (-1));
}

void test_chain () throws Error {
    var n_called = 0;
    var doubled = submit (21).map (Aiopool.ChainFlags.RESULTS_ONLY, (future) => {
        n_called++;
        return new Variant ("(i)", 2 * number_of (future));
    });
    var chained = doubled.chain (Aiopool.ChainFlags.RESULTS_ONLY, (future) => {
        return submit (number_of (future) + 3);
    });
    var after = pool.submit_after (new Aiopool.Task ("echo", null), chained,
                                   Aiopool.ChainFlags.CANCEL);
    assert_cmpint (n_called, CompareOperator.EQ, 0);
    iterate_until_done (after);
    assert_cmpint (number_of (after), CompareOperator.EQ, 45);
    assert_cmpint (n_called, CompareOperator.EQ, 1);
}

void test_chain_fails () throws Error {
    var failed = submit (1).chain (Aiopool.ChainFlags.NONE, (future) => {
        throw new IOError.BUSY ("on purpose");
    });
    var well = failed.chain (Aiopool.ChainFlags.ERRORS_ONLY, (future) => {
        assert_true (future.get_error () is IOError.BUSY);
        return new Aiopool.Future.for_result (new Variant ("(i)", 5));
    });
    iterate_until_done (well);
    assert_cmpint (number_of (well), CompareOperator.EQ, 5);
    assert_true (failed.get_error () is IOError.BUSY);
}

delegate void Claim () throws Error;

void add_test (string name, owned Claim test) {
    Test.add_data_func ("/vala/futures/" + name, () => {
        try {
            test ();
        } catch (Error error) {
            assert_no_error (error);
        }
    });
}

int main (string[] args) {
    Test.init (ref args);
    pool = new Aiopool.Pool.with_launcher (2, new Aiopool.Launcher.for_plugins ({ args[1] }));

    add_test ("a-set-is-drained-while-it-grows", test_drain);
    add_test ("a-set-is-drained-in-a-main-loop", test_drain_async);
    add_test ("a-wait-for-any-ends-in-time", test_wait);
    add_test ("results-are-collected-in-order", test_collect);
    add_test ("what-is-removed-is-not-waited-for", test_remove);
    add_test ("futures-are-chained", test_chain);
    add_test ("a-chain-that-fails", test_chain_fails);

    var status = Test.run ();
    pool = null;
    return status;
}
