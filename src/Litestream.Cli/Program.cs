// Entry point of the litestream command.
return 0;
