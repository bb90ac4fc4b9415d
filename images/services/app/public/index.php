<?php
// GET: how many jobs wait and how many are done. POST: the body is a new job.
require __DIR__ . '/../database.php';

$database = database();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $statement = $database->prepare('INSERT INTO jobs (text) VALUES (?)');
    $statement->execute([file_get_contents('php://input')]);
}
$row = $database->query('SELECT count(*) - sum(done) AS waiting, sum(done) AS done FROM jobs')->fetch(PDO::FETCH_ASSOC);
header('Content-Type: application/json');
echo json_encode(['waiting' => (int) $row['waiting'], 'done' => (int) $row['done'], 'pid' => getmypid()]), "\n";
