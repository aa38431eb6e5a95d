// SPDX-License-Identifier: LGPL-2.1-or-later

// Batches through the generated VAPI in Vala.

// Seconds after which a test that waits for something has failed.
const double LIMIT = 60;
const int N_ITEMS = 30;

Aiopool.Pool pool;

Aiopool.Batch map () {
    var numbers = new VariantBuilder (new VariantType ("ai"));
    for (var i = 0; i < N_ITEMS; i++)
        numbers.add ("i", i);
    return pool.map (new Aiopool.Task ("echo", null), numbers.end ());
}

int number_of (Aiopool.Future future) throws Error {
    int number;
    future.get_result ().get ("(i)", out number);
    return number;
}

void test_next () throws Error {
    var batch = map ();
    batch.chunk_size = 7;
    for (var i = 0; i < N_ITEMS; i++) {
        var future = batch.next (LIMIT);
        assert_cmpint (number_of (future), CompareOperator.EQ, i);
        assert_cmpuint (future.get_position (), CompareOperator.EQ, i);
    }
    assert_null (batch.next (LIMIT));
    assert_cmpuint (batch.n_done, CompareOperator.EQ, N_ITEMS);
}

async void drain (MainLoop loop, Aiopool.Batch batch) {
    try {
        var number = 0;
        Aiopool.Future? future;
        while ((future = yield batch.next_async (null)) != null)
            assert_cmpint (number_of (future), CompareOperator.EQ, number++);
        assert_cmpint (number, CompareOperator.EQ, N_ITEMS);
    } catch (Error error) {
        Test.message ("%s", error.message);
        Test.fail ();
    }
    loop.quit ();
}

void test_next_async () throws Error {
    var loop = new MainLoop ();
    drain.begin (loop, map ());
    loop.run ();
}

void test_collect_all () throws Error {
    var results = map ().collect_all (LIMIT);
    assert_cmpstr (results.get_type_string (), CompareOperator.EQ, "a(i)");
    assert_cmpuint ((uint) results.n_children (), CompareOperator.EQ, N_ITEMS);
}

void test_source () throws Error {
    var number = 0;
    var source = new Aiopool.Source.for_callback ((self) => {
        if (number < N_ITEMS)
            return new Variant.int32 (number++);
        self.end ();
        return null;
    });
    var batch = new Aiopool.Batch (pool, new Aiopool.Task ("echo", null), source);
    for (var i = 0; i < N_ITEMS; i++)
        assert_cmpint (number_of (batch.next (LIMIT)), CompareOperator.EQ, i);
    assert_null (batch.next (LIMIT));
}

void test_push () throws Error {
    var number = 0;
    var source = new Aiopool.Source.pushed ((self, n_items) => {
        for (uint i = 0; i < n_items; i++) {
            if (number == N_ITEMS) {
                self.end ();
                return;
            }
            self.push (new Variant.int32 (number++));
        }
    });
    var batch = new Aiopool.Batch (pool, new Aiopool.Task ("echo", null), source);
    for (var i = 0; i < N_ITEMS; i++)
        assert_cmpint (number_of (batch.next (LIMIT)), CompareOperator.EQ, i);
    assert_null (batch.next (LIMIT));
}

void test_starmap () throws Error {
    var items = new Variant.parsed ("[('a', 1), ('b', 2)]");
    var batch = pool.starmap (new Aiopool.Task ("echo", null), items);
    var results = batch.collect_all (LIMIT);
    assert_true (results.equal (items));
}

void test_array () throws Error {
    var source = new Aiopool.Source.for_array (new Variant.parsed ("[0, 1, 2]"));
    var batch = new Aiopool.Batch (pool, new Aiopool.Task ("echo", null), source);
    var futures = batch.next_batch (3, 0, LIMIT);
    assert_cmpuint (futures.get_n_items (), CompareOperator.EQ, 3);
    assert_cmpint (number_of ((Aiopool.Future) futures.get_item (2)), CompareOperator.EQ, 2);
    assert_null (batch.next_batch (1, 0, LIMIT));
}

void test_tasks () throws Error {
    var tasks = new ListStore (typeof (Aiopool.Task));
    for (var i = 0; i < N_ITEMS; i++)
        tasks.append (new Aiopool.Task ("echo", new Variant ("(i)", i)));
    var source = new Aiopool.Source.for_list (tasks, null);
    var batch = new Aiopool.Batch (pool, null, source);
    for (var i = 0; i < N_ITEMS; i++)
        assert_cmpint (number_of (batch.next (LIMIT)), CompareOperator.EQ, i);
    var other = new Aiopool.Source.for_list (tasks, (task) => {
        throw new IOError.BUSY ("on purpose");
    });
    batch = new Aiopool.Batch (pool, new Aiopool.Task ("echo", null), other);
    try {
        batch.next (LIMIT);
        assert_not_reached ();
    } catch (IOError.BUSY error) {
        assert_true (batch.dup_error () is IOError.BUSY);
    }
}

void test_fail () throws Error {
    var source = new Aiopool.Source.pushed (null);
    assert_true (source.push (new Variant.int32 (1)));
    assert_true (source.push_task (new Aiopool.Task ("fail", null)));
    source.fail (new IOError.BUSY ("on purpose"));
    var batch = new Aiopool.Batch (pool, new Aiopool.Task ("echo", null), source);
    assert_cmpint (number_of (batch.next (LIMIT)), CompareOperator.EQ, 1);
    assert_true (batch.next (LIMIT).get_error () is IOError.NOT_FOUND);
    try {
        batch.next (LIMIT);
        assert_not_reached ();
    } catch (IOError.BUSY error) {
        assert_cmpuint (batch.n_failed, CompareOperator.EQ, 1);
    }
}

void test_list () throws Error {
    var batch = map ();
    uint n_added = 0;
    batch.items_changed.connect ((position, removed, added) => n_added += added);
    assert_cmpuint (batch.get_n_items (), CompareOperator.EQ, 0);
    batch.start ();
    while (n_added < N_ITEMS)
        MainContext.default ().iteration (true);
    assert_cmpint (number_of ((Aiopool.Future) batch.get_item (7)), CompareOperator.EQ, 7);
}

void test_cancel () throws Error {
    var batch = map ();
    assert_true (batch.cancel (Aiopool.CancelMode.FORCE));
    try {
        while (batch.next (LIMIT) != null)
            continue;
        assert_not_reached ();
    } catch (Error error) {
        assert_error (error, IOError.quark (), IOError.CANCELLED);
    }
    assert_true (batch.state == Aiopool.FutureState.CANCELLED);
}

[CCode (has_target = false)]
delegate void Scenario () throws Error;

void add_test (string name, Scenario scenario) {
    Test.add_data_func ("/batch/" + name, () => {
        try {
            scenario ();
        } catch (Error error) {
            Test.message ("%s", error.message);
            Test.fail ();
        }
    });
}

int main (string[] args) {
    Test.init (ref args);
    pool = new Aiopool.Pool.with_launcher (2, new Aiopool.Launcher.for_plugins ({ args[1] }));

    add_test ("next-gives-one-after-the-other", test_next);
    add_test ("next-async-gives-one-after-the-other", test_next_async);
    add_test ("collect-all-gives-an-array", test_collect_all);
    add_test ("a-function-is-a-source", test_source);
    add_test ("items-are-pushed-as-they-are-wanted", test_push);
    add_test ("tuples-are-arguments", test_starmap);
    add_test ("an-array-is-a-source", test_array);
    add_test ("tasks-in-a-list-are-a-source", test_tasks);
    add_test ("items-and-tasks-are-pushed-before-an-error", test_fail);
    add_test ("a-batch-is-a-list", test_list);
    add_test ("a-cancel-ends-it", test_cancel);

    var status = Test.run ();
    pool = null;
    return status;
}
