#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rich pool, used by a program that blocks."""

import functools
import gc
import itertools
import logging
import threading
import time
import unittest
import weakref

import pool_case
import pool_tasks as tasks
from pool_case import LIMIT

import aiopool
from aiopool import CancelMode, Status


class Calls(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(2)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def test_run_returns_the_result(self):
        self.assertEqual(self.pool.run(tasks.add, 1, b=2, c=3), 6)
        self.assertEqual(self.pool.run(len, "four"), 4)
        self.assertEqual(self.pool.run(functools.partial(tasks.add, 1), 2), 3)
        self.assertEqual(self.pool.run("a-b".split, "-"), ["a", "b"])

    def test_keywords_arrive_as_keywords(self):
        self.assertEqual(self.pool.run(tasks.keywords, 1, a=10, b=20), ((1,), {"a": 10, "b": 20}))
        self.assertEqual(self.pool.run(tasks.keywords, self=1, target=2), ((), {"self": 1, "target": 2}))

    def test_run_raises_what_the_task_raised(self):
        with self.assertRaises(ZeroDivisionError):
            self.pool.run(divmod, 1, 0)

    def test_the_chain_of_an_exception_is_kept(self):
        with self.assertRaises(RuntimeError) as caught:
            self.pool.run(tasks.fail_in_a_chain)
        error = caught.exception
        self.assertEqual(error.args, ("top",))
        self.assertEqual(error.__context__.args, ("middle",))
        self.assertEqual(error.__context__.__cause__.args, ("root",))
        self.assertEqual(error.__context__.__cause__.__notes__, ["a note"])
        text = aiopool.get_remote_traceback(error)
        self.assertTrue(text.startswith("Traceback"))
        for part in ("KeyError: 'root'", "a note", "ValueError: middle", "RuntimeError: top"):
            self.assertIn(part, text)

    def test_whether_a_context_is_told_is_kept(self):
        for task, is_told in ((tasks.fail_in_a_chain, True), (tasks.fail_from_none, False)):
            with self.assertRaises(RuntimeError) as caught:
                self.pool.run(task)
            self.assertIsNotNone(caught.exception.__context__)
            self.assertEqual(caught.exception.__suppress_context__, not is_told)

    def test_the_exceptions_in_a_group_keep_their_chains(self):
        with self.assertRaises(ExceptionGroup) as caught:
            self.pool.run(tasks.fail_as_a_group, False)
        first, inner = caught.exception.exceptions
        self.check_chain(first, ValueError, "first")
        self.check_chain(inner.exceptions[0], ValueError, "second")
        text = aiopool.get_remote_traceback(caught.exception)
        for part in ("KeyError: 'second'", "note of first", "ExceptionGroup: outer"):
            self.assertIn(part, text)

    def test_what_cannot_travel_in_a_group_costs_nothing_else(self):
        with self.assertRaises(ExceptionGroup) as caught:
            self.pool.run(tasks.fail_as_a_group, True)
        self.assertEqual(caught.exception.message, "outer")
        first, inner = caught.exception.exceptions
        self.check_chain(first, ValueError, "first")
        self.assertEqual(inner.message, "inner")
        self.check_chain(inner.exceptions[0], aiopool.RemoteError, "second")
        self.assertIn("NotPicklable", inner.exceptions[0].type_name)

    def check_chain(self, error, kind, text):
        self.assertIs(type(error), kind)
        self.assertEqual((error.__cause__.args, error.__notes__), ((text,), [f"note of {text}"]))

    def test_an_exception_of_this_process_has_no_remote_traceback(self):
        self.assertIsNone(aiopool.get_remote_traceback(ValueError()))

    def test_a_future_tells_all_about_its_task(self):
        release = self.hold(self.pool, 2)
        future = self.pool.submit(tasks.add, 1, 2)
        self.assertEqual((future.state, future.is_pending, future.is_done), (Status.PENDING, True, False))
        self.assertEqual((future.result, future.exception), (None, None))
        self.assertGreaterEqual(self.pool.count_pending_tasks(), 1)
        self.assertEqual(self.pool.count_busy_workers(), 2)
        futures = release()
        self.assertTrue(future.wait(LIMIT))
        self.assertEqual((future.state, future.is_completed, future.is_done), (Status.COMPLETED, True, True))
        self.assertEqual((future.result, future.exception), (3, None))
        self.assertIs(future.pool, self.pool)
        self.assertIn("completed", repr(future))
        self.assertTrue(all(map(aiopool.Future.collect, futures)))

    def test_a_failed_future_keeps_its_exception(self):
        future = self.pool.submit(tasks.fail, KeyError(1))
        self.assertTrue(future.wait(LIMIT))
        self.assertEqual((future.state, future.is_failed, future.result), (Status.FAILED, True, None))
        self.assertEqual(future.exception.args, (1,))
        for i in range(2):
            with self.assertRaises(KeyError):
                future.collect()

    def test_an_interrupt_while_a_result_is_loaded_is_not_what_came_of_the_task(self):
        future = self.pool.submit(tasks.give_interrupted)
        self.assertRaises(KeyboardInterrupt, future.collect, LIMIT)
        self.assertEqual(future.collect(LIMIT), "loaded")

    def test_durations_are_those_of_waiting_and_running(self):
        start = time.monotonic()
        release = self.hold(self.pool, 2)
        future = self.pool.submit(tasks.sleep, 0.02)
        held = time.monotonic()
        time.sleep(0.02)
        release()
        future.collect()
        total = time.monotonic() - start
        queued, ran = future.duration
        self.assertGreaterEqual(queued, 0.02)
        self.assertGreaterEqual(ran, 0.02)
        self.assertLessEqual(queued + ran, total)
        self.assertLess(start, held)

    def test_waits_have_an_end(self):
        release = self.hold(self.pool, 2)
        future = self.pool.submit(tasks.add, 1)
        self.assertFalse(future.wait(0))
        self.assertFalse(future.wait(0.001))
        with self.assertRaises(TimeoutError):
            future.collect(0.001)
        release()
        self.assertEqual(future.collect(LIMIT), 1)

    def test_a_task_that_has_not_started_is_cancelled(self):
        release = self.hold(self.pool, 2)
        future = self.pool.submit(tasks.add, 1)
        self.assertTrue(future.cancel(CancelMode.PENDING))
        self.assertTrue(future.cancel())
        release()
        self.assertTrue(future.is_cancelled and future.is_done and future.cancel_flag)
        self.assertEqual((future.result, future.exception, future.duration[1]), (None, None, 0))
        with self.assertRaises(aiopool.CancelledError):
            future.collect()

    def test_a_result_that_is_there_is_not_cancelled(self):
        future = self.pool.submit(tasks.add, 1)
        future.wait()
        self.assertFalse(future.cancel())
        self.assertTrue(future.cancel_flag)
        self.assertEqual(future.collect(), 1)

    def test_callbacks_are_called_once_each(self):
        release = self.hold(self.pool, 2)
        future = self.pool.submit(tasks.add, 1)
        called, done = [], threading.Event()
        future.add_callbacks([called.append, called.append, lambda future: 1 / 0])
        dropped = unittest.mock.Mock()
        future.add_callback(dropped)
        future.add_callback(dropped)
        self.assertEqual(len(future.callbacks), 5)
        self.assertEqual(future.remove_callback(dropped), 2)
        future.add_callback(lambda future: done.set())
        with self.assertLogs("aiopool", logging.ERROR) as logs:
            release()
            self.assertTrue(done.wait(LIMIT))
        self.assertEqual(called, [future, future])
        self.assertIn("ZeroDivisionError", logs.output[0])
        self.assertFalse(dropped.called)
        self.assertEqual(future.callbacks, ())

    def test_a_late_callback_is_called_at_once(self):
        future = self.pool.submit(tasks.add, 1)
        future.wait()
        called = []
        future.add_callback(functools.partial(called.append))
        self.assertEqual(called, [future])

    def test_a_callback_may_do_anything(self):
        results, done = [], threading.Event()

        def submit(future):
            results.append(self.pool.submit(tasks.add, 2).collect(LIMIT))  # blocks in a callback
            done.set()

        self.pool.submit(tasks.add, 1).add_callback(submit)
        self.assertTrue(done.wait(LIMIT))
        self.assertEqual(results, [2])

    def test_runs_of_several_threads_go_on_at_once(self):
        directory = self.make_directory()
        paths = [f"{directory}/{i}" for i in range(2)]
        threads = [threading.Thread(target=self.pool.run, args=(tasks.touch_and_wait, *pair))
                   for pair in (paths, paths[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
            self.assertFalse(thread.is_alive())

    def test_options_are_those_of_the_task(self):
        with self.assertRaises(aiopool.TaskTimeoutError):
            self.pool.options(timeout=0.05).run(tasks.sleep, LIMIT)
        self.assertEqual(self.pool.options(priority=1, retries=2, tag="t").run(tasks.add, 1), 1)
        with self.assertRaises(TypeError):
            self.pool.options(timeot=5)

    def test_a_higher_priority_is_earlier(self):
        path = self.make_path()
        with aiopool.ProcessPool(1) as pool:
            release = self.hold(pool, 1)
            low = [pool.submit(tasks.touch, path, "l") for i in range(5)]
            high = pool.options(priority=1).submit(tasks.touch, path, "h")
            release()
            aiopool.wait([*low, high], LIMIT)
        with open(path) as file:
            self.assertLess(file.read().index("h"), 5)

    def test_progress_is_told(self):
        directory = self.make_directory()
        told = []
        options = self.pool.options(on_progress=lambda future: told.append(future.progress))
        future = options.submit(tasks.tell, directory)
        self.wait_until(lambda: told)
        self.assertEqual((future.progress, future.message), (0.25, "a quarter"))
        tasks.touch(f"{directory}/go")
        self.assertEqual(future.collect(LIMIT), "done")

    def test_a_stream_gives_items_one_by_one(self):
        stream = self.pool.stream(tasks.count, 3)
        self.assertEqual([next(stream), list(stream), stream.future.result], [0, [1, 2], "end"])
        self.assertEqual(list(self.pool.stream(tasks.emit, 3)), [0, 1, 2])
        self.assertEqual(list(self.pool.stream(tasks.count_async, 3)), [0, 1, 2])

    def test_what_ends_loops_ends_none_when_a_task_raises_it(self):
        for pool in (self.pool, aiopool.ProcessPool(1, inline=True)):
            for kind in (StopIteration, StopAsyncIteration):
                stream = pool.stream(tasks.emit_and_fail_with, kind)
                self.assertEqual(next(stream), 1)
                self.assertRaisesRegex(RuntimeError, kind.__name__, next, stream)
                self.assertRaises(kind, pool.run, tasks.fail_with, kind, 1, 1)

    def test_a_stream_that_fails_gives_its_items_first(self):
        items = []
        with self.assertRaisesRegex(ValueError, "after the last"):
            for item in self.pool.stream(tasks.count_and_fail, 3):
                items.append(item)
        self.assertEqual(items, [0, 1, 2])

    def test_a_stream_holds_up_its_task_and_is_closed(self):
        path = self.make_path()
        with self.pool.stream(tasks.count_for_ever, path) as stream:
            self.assertEqual([next(stream)[10_000:] for i in range(3)], [b"0", b"1", b"2"])
        self.wait_until(lambda: stream.future.has_ended)

    def test_a_stream_that_is_dropped_is_cancelled(self):
        stream = self.pool.stream(tasks.count_for_ever, self.make_path())
        future = stream.future
        del stream
        gc.collect()
        self.assertTrue(future.wait(LIMIT))
        self.assertTrue(future.is_cancelled)

    def test_emitted_values_that_nobody_takes_hold_up_nobody(self):
        future = self.pool.submit(tasks.emit, 50_000)
        done = threading.Event()
        future.add_callback(lambda future: done.set())
        self.assertTrue(done.wait(LIMIT))
        self.assertEqual(future.result, 50_000)

    def test_a_task_may_make_a_pool(self):
        self.assertEqual(self.pool.run(tasks.nest, 1), 2)

    def test_a_lambda_or_what_cannot_be_pickled_fails_here(self):
        with self.assertRaises(Exception):
            self.pool.submit(tasks.add, threading.Lock())
        self.assertEqual(self.pool.run(tasks.add, 1), 1)

    def test_a_pool_cannot_be_pickled(self):
        with self.assertRaises(TypeError):
            self.pool.submit(tasks.add, self.pool)


class Maps(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(2)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def test_every_map_gives_all_results(self):
        pairs = list(zip(range(12), range(12)))
        wanted = [a + b for a, b in pairs]
        for chunk_size in (1, 5):
            for keep_order in (True, False):
                options = {"chunk_size": chunk_size, "keep_order": keep_order}
                found = [
                    self.pool.map(tasks.add, range(12), range(12), **options),
                    self.pool.map(tasks.add, range(12), range(12), buffer_size=3, **options),
                    self.pool.map_all(tasks.add, range(12), range(12), **options),
                    self.pool.starmap(tasks.add, pairs, **options),
                    self.pool.starmap_all(tasks.add, pairs, **options),
                ]
                for results in map(list, found):
                    self.assertEqual(results if keep_order else sorted(results), wanted)
        for name in ("map_unordered", "map_all_unordered"):
            self.assertEqual(sorted(getattr(self.pool, name)(tasks.add, range(5))), [*range(5)])
        for name in ("starmap_unordered", "starmap_all_unordered"):
            self.assertEqual(sorted(getattr(self.pool, name)(tasks.add, pairs)), wanted)

    def test_a_map_of_nothing_is_nothing(self):
        self.assertEqual(list(self.pool.map(tasks.add, [])), [])
        self.assertEqual(list(self.pool.map_all_unordered(tasks.add, [], chunk_size=3)), [])

    def test_a_map_runs_as_many_as_there_are_workers(self):
        directory = self.make_directory()
        paths = [f"{directory}/{i}" for i in range(2)]
        results = self.pool.map(tasks.touch_and_wait, paths, paths[::-1])
        self.assertEqual(list(results), paths[::-1])

    def test_a_map_takes_items_as_there_is_room(self):
        source = itertools.count()
        results = self.pool.map(tasks.add, source, buffer_size=4)
        self.assertEqual(next(source), 0)  # nothing before the first result is asked for
        self.assertEqual(next(results), 1)
        self.assertEqual(next(source), 5)
        results.close()
        self.assertEqual(list(results), [])

    def test_unordered_results_come_as_they_are_there(self):
        directory = self.make_directory()
        tasks.touch(f"{directory}/1")
        results = self.pool.map_unordered(tasks.wait_for_file, [f"{directory}/0", f"{directory}/1"])
        self.assertEqual(next(results), f"{directory}/1")
        tasks.touch(f"{directory}/0")
        self.assertEqual(next(results), f"{directory}/0")

    def test_a_failed_item_costs_no_other_its_result(self):
        for chunk_size in (1, 3):
            results = self.pool.map(tasks.fail_at, range(5), [2] * 5, chunk_size=chunk_size)
            found = []
            for i in range(5):
                try:
                    found.append(next(results))
                except ValueError as error:
                    self.assertIn("in fail_at", aiopool.get_remote_traceback(error))
                    found.append("failed")
            self.assertEqual(found, [0, 1, "failed", 3, 4])

    def test_what_ends_loops_is_an_error_when_an_item_raises_it(self):
        for kind, size, method in itertools.product((StopIteration, StopAsyncIteration), (1, 2),
                                                    (self.pool.map, self.pool.map_unordered)):
            results = method(tasks.fail_with, [kind] * 5, range(5), [2] * 5, chunk_size=size)
            found = []
            for i in range(5):
                try:
                    found.append(next(results))
                except RuntimeError as error:
                    self.assertIn(kind.__name__, str(error))
            self.assertEqual(sorted(found), [0, 1, 3, 4])

    def test_a_crash_costs_the_items_of_its_task(self):
        results = self.pool.starmap(tasks.keywords, [(1,), (threading.Lock(),), (2,)])
        self.assertEqual(next(results), ((1,), {}))
        self.assertRaises(TypeError, next, results)
        self.assertEqual(next(results), ((2,), {}))
        results = self.pool.map(tasks.exit, [3, 4])
        for i in range(2):
            self.assertRaises(aiopool.WorkerCrashedError, next, results)

    def test_a_time_limit_is_that_of_all_results(self):
        self.assertEqual(list(self.pool.map(tasks.add, range(3), timeout=LIMIT)), [0, 1, 2])
        for method in (self.pool.map, self.pool.map_unordered, self.pool.map_all):
            path = self.make_path()
            results = method(tasks.wait_for_file, [path], timeout=0.01)
            self.assertRaises(TimeoutError, next, results)
            tasks.touch(path)
        self.assertRaises(TimeoutError, next, self.pool.map(tasks.add, [1], timeout=0))

    def test_an_error_of_the_source_comes_after_the_results(self):
        def source():
            yield 1
            raise OSError("the source")

        results = self.pool.map(tasks.add, source())
        self.assertEqual(next(results), 1)
        self.assertRaisesRegex(OSError, "the source", next, results)

    def test_sizes_are_checked_in_the_call(self):
        for options in ({"chunk_size": 0}, {"buffer_size": -1}):
            self.assertRaises(ValueError, self.pool.map, tasks.add, [], **options)

    def test_split_tasks_give_lists(self):
        parts = [self.pool.run(part) for part in
                 aiopool.split_map_task(tasks.add, range(5), range(5), chunk_size=2)]
        self.assertEqual(parts, [[0, 2], [4, 6], [8]])
        parts = aiopool.split_starmap_task(tasks.add, [(1, 2), (3, 4)])
        self.assertEqual([part() for part in parts], [[3], [7]])

    def test_chunks_are_tuples(self):
        self.assertEqual(list(aiopool.get_chunks("abcde", 2)), [("a", "b"), ("c", "d"), ("e",)])
        self.assertRaises(ValueError, list, aiopool.get_chunks([], 0))

    def test_a_countdown_is_never_below_nothing(self):
        self.assertIsNone(aiopool.Countdown(None).check())
        self.assertEqual(aiopool.Countdown(0).check(), 0)
        countdown = aiopool.Countdown(LIMIT)
        self.assertEqual((countdown.check(), countdown.timeout), (LIMIT, LIMIT))
        self.assertLess(countdown.check(), LIMIT)
        self.assertLess(countdown.instant_a, countdown.instant_b)


class Together(pool_case.Case):
    @classmethod
    def setUpClass(cls):
        cls.pool = aiopool.ProcessPool(2)
        cls.addClassCleanup(cls.pool.shutdown_sync)

    def submit_two(self):
        """The second one ends first; the first one when the file is there."""
        path = self.make_path()
        return path, [self.pool.submit(tasks.wait_for_file, path), self.pool.submit(tasks.add, 1)]

    def test_wait_tells_whether_all_have_ended(self):
        path, futures = self.submit_two()
        self.assertFalse(aiopool.wait(futures, 0.001))
        tasks.touch(path)
        self.assertTrue(aiopool.wait(futures, LIMIT))
        self.assertEqual(aiopool.collect(dict.fromkeys(futures)), (path, 1))

    def test_collect_raises_the_first_error(self):
        futures = [self.pool.submit(tasks.add, 1), self.pool.submit(tasks.fail, KeyError(1)),
                   self.pool.submit(tasks.fail, ValueError(1))]
        self.assertRaises(KeyError, aiopool.collect, iter(futures))
        path, futures = self.submit_two()
        self.assertRaises(TimeoutError, aiopool.collect, futures, 0.001)
        tasks.touch(path)

    def test_as_done_gives_futures_as_they_end(self):
        path, futures = self.submit_two()
        done = aiopool.as_done(futures, timeout=LIMIT)
        self.assertIs(next(done), futures[1])
        tasks.touch(path)
        self.assertEqual(list(done), futures[:1])
        path, futures = self.submit_two()
        done = aiopool.as_done(futures, timeout=0.01)
        self.assertIs(next(done), futures[1])
        self.assertRaises(TimeoutError, list, done)
        tasks.touch(path)
        self.assertEqual(list(aiopool.as_done(futures, keep_order=True)), futures)

    def test_a_filter_may_be_fed_meanwhile(self):
        path, futures = self.submit_two()
        found = aiopool.FutureFilter(future for future in futures)
        self.assertIs(found.get(), futures[1])
        self.assertIsNone(found.get(block=False))
        self.assertRaises(TimeoutError, found.get, timeout=0.001)
        other = self.pool.submit(tasks.add, 2)
        found.put(other)
        self.assertIs(found.get(), other)
        self.assertEqual(found.futures, (futures[0],))
        tasks.touch(path)
        self.assertEqual(list(found.get_all()), futures[:1])
        self.assertIsNone(found.get())
        found.populate(futures)
        self.assertEqual(list(found.get_all(block=False)), futures)
        self.assertEqual(list(aiopool.FutureFilter(futures)), futures)

    def test_a_filter_is_fed_while_it_is_waited_for(self):
        path, futures = self.submit_two()
        found = aiopool.FutureFilter(futures[:1])
        results = []
        thread = threading.Thread(target=lambda: results.extend(found.get() for i in range(2)))
        thread.start()
        futures[1].wait()
        found.put(futures[1])
        self.wait_until(lambda: results == futures[1:])
        tasks.touch(path)
        thread.join(LIMIT)
        self.assertEqual(results, futures[::-1])

    def test_coroutines_run_several_in_a_worker(self):
        pool = self.make_pool(1, coroutines_per_worker=3)
        futures = [pool.submit(tasks.meet, "", 3) for i in range(3)]
        self.assertEqual(len(set(aiopool.collect(futures, LIMIT))), 1)
        self.assertEqual(pool.run(tasks.add_async, 1, b=2), 3)
        self.assertRaisesRegex(ValueError, "in a coroutine", pool.run, tasks.fail_async)

    def test_a_future_holds_no_pool(self):
        pool = aiopool.ProcessPool(1)
        future = pool.submit(tasks.add, 1)
        reference = weakref.ref(pool)
        del pool
        gc.collect()
        self.assertIsNone(reference())
        self.assertIsNone(future.pool)
        self.assertEqual(future.collect(LIMIT), 1)


if __name__ == "__main__":
    import unittest.mock

    pool_case.main()
