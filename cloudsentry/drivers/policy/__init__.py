"""From the timetable, the load and people's calls to a number of servers. Pure: no clock, no call, no memory."""
