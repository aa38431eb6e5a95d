// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs tests by name and prints what came of them in TAP.

import GLib from 'gi://GLib';
import System from 'system';

// tests: functions by name, asynchronous or not. limit: seconds after which one that has not ended
// ends the program. Resolves to an exit status.
export async function runTests(tests, limit) {
    let nFailed = 0;
    let number = 0;

    print(`1..${Object.keys(tests).length}`);
    for (const [name, test] of Object.entries(tests)) {
        const watch = GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, limit, () => {
            print(`Bail out! ${name} did not end in ${limit} seconds`);
            System.exit(1);
        });
        let word = 'ok';
        try {
            await test();
        } catch (error) {
            word = 'not ok';
            nFailed++;
            `${error}\n${error.stack}`.trim().split('\n').forEach(line => print(`# ${line}`));
        }
        GLib.source_remove(watch);
        print(`${word} ${++number} - ${name}`);
    }
    return nFailed === 0 ? 0 : 1;
}
