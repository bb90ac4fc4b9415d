<?php
function database(): PDO
{
    $found = new PDO('sqlite:' . (getenv('DATABASE') ?: '/data/jobs.db'));
    $found->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
    $found->exec('PRAGMA busy_timeout = 5000');
    return $found;
}
