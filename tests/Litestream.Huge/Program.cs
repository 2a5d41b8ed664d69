using System.Diagnostics;
using System.Globalization;
using Litestream.Huge;

// huge MODE --folder DIR --size BYTES [--page-size N] [--files N]
// Work on a database of any size whose pages are generated, in a process of its own, so that its peak memory can be told:
//   generate  writes a snapshot and two increments into DIR/replica, to be merged and restored
//   snapshot  encodes a sparse database file as the daemon does, and counts the bytes
//   merge     merges the generated files as the daemon does, and verifies what would be uploaded
//   restore   builds the database from the generated files, and checks each page that would be written
//   files     writes the level-0 files 1 to --files into DIR/state and DIR/replica
//   compact   merges those into one
// Prints one line: figures of the mode, wall time, peak resident memory.
Arguments arguments;
try
{
    arguments = Arguments.Parse(args);
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    Console.Error.WriteLine("usage: huge generate|snapshot|merge|restore|files|compact --folder DIR [--size BYTES] [--page-size N] [--files N]");
    return 2;
}

long start = Stopwatch.GetTimestamp();
string figures = arguments.Mode switch
{
    "generate" => GeneratedReplica.Write(arguments),
    "snapshot" => Snapshot.Run(arguments),
    "merge" => await Merge.RunAsync(arguments),
    "restore" => await Restore.RunAsync(arguments),
    "files" => ManyFiles.Write(arguments),
    _ => await ManyFiles.MergeAsync(arguments),
};
double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{figures} seconds={seconds:0.0} peak_kib={PeakMemory.Kibibytes()}"));
return 0;
