<?php
// Does the jobs of the queue, one after another, in steps that its configuration sets. HUP reads it
// again; TERM ends it between two jobs. The job `crash` ends it with code 3, and stays in the queue.
require __DIR__ . '/database.php';

const FILE = '/config/worker/worker.ini';
const CRASH = 3;

function settings(string $file): array
{
    clearstatcache(true); // PHP remembers for two minutes where a link led
    $found = @parse_ini_file($file, false, INI_SCANNER_TYPED);
    if ($found === false || !is_int($found['pause_ms'] ?? null) || $found['pause_ms'] < 1) {
        fwrite(STDERR, "$file: pause_ms has to be a number of milliseconds above 0\n");
        exit(1);
    }
    return $found;
}

if (($argv[1] ?? '') === '--check') {
    settings($argv[2]);
    exit(0);
}

$settings = settings(FILE);
$ends = false;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () use (&$ends) { $ends = true; });
pcntl_signal(SIGHUP, function () use (&$settings) {
    $settings = settings(FILE);
    fwrite(STDERR, "a pause of {$settings['pause_ms']} ms from now on\n");
});
$database = database();
while (!$ends) {
    $job = $database->query('SELECT id, text FROM jobs WHERE done = 0 ORDER BY id LIMIT 1')->fetch(PDO::FETCH_ASSOC);
    if ($job === false) {
        usleep($settings['pause_ms'] * 1000);
        continue;
    }
    if ($job['text'] === 'crash') {
        fwrite(STDERR, "cannot do job {$job['id']}\n");
        exit(CRASH);
    }
    $database->prepare('UPDATE jobs SET done = 1 WHERE id = ?')->execute([$job['id']]);
}
