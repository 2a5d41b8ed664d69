using Litestream.Workload;

// An application as users have it: a process of its own with its own SQLite. Started by tests and scenarios; see Options for
// the command line and Control for what it understands on standard input.
if (args is ["version"])
{
    SQLitePCL.Batteries_V2.Init();
    Console.WriteLine(SQLitePCL.raw.sqlite3_libversion().utf8_to_string());
    return 0;
}

Options options;
try
{
    options = Options.Parse(args);
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

using var control = new Control(options);
return options.Mode switch
{
    Mode.Hostile => Hostile.Run(options, control),
    Mode.Read => Reader.Run(options, control),
    _ => Application.Run(options, control),
};
